import type { SecureContextOptions } from 'node:tls'

/** PgBouncer's. Towards clients allow is prefer; verify-full is verify-ca, for a client has no host name. */
export type SslMode = 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full'

/** What one side's TLS is made of; files are read already. */
export type TlsOptions = {
  readonly sslmode: SslMode
  /** PEM: key, cert, ca; ciphers, minVersion, maxVersion. */
  readonly context: SecureContextOptions
}

export const NO_TLS: TlsOptions = { sslmode: 'disable', context: {} }

/** The name by which Postgres is known in TLS handshakes (ALPN). */
export const ALPN_POSTGRESQL = 'postgresql'

export function verifiesCertificates(sslmode: SslMode): boolean {
  return sslmode === 'verify-ca' || sslmode === 'verify-full'
}

export function requiresTls(sslmode: SslMode): boolean {
  return sslmode === 'require' || verifiesCertificates(sslmode)
}
