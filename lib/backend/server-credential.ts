import type { ScramKeys } from '../wire/scram-secret.ts'

/** What we have to log in to a server with. Never logged, never shown. */
export type ServerCredential =
  | { readonly kind: 'password'; readonly password: string }
  /** Found in the proof of a client who has the same secret here as on the server. */
  | { readonly kind: 'scram-keys'; readonly keys: ScramKeys }
  /** `md5` and 32 hexadecimal digits, as in rolpassword: for servers that ask for md5. */
  | { readonly kind: 'md5'; readonly secret: string }
