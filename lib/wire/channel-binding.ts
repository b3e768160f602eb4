import { createHash } from 'node:crypto'
import { signatureAlgorithmHashFromCertificate } from 'pg/lib/crypto/cert-signatures.js'

/** RFC 5929: a certificate signed by way of one of these is hashed with SHA-256 nevertheless. */
const WEAK_HASHES: ReadonlySet<string> = new Set(['MD5', 'SHA-1'])
/** Certificates signed by EdDSA have no hash of their own; Postgres can't bind to them either. */
const HASHES: ReadonlySet<string> = new Set(['SHA-224', 'SHA-256', 'SHA-384', 'SHA-512'])
const EDDSA_OID = Buffer.from([0x06, 0x03, 0x2b, 0x65])

/**
 * tls-server-end-point of RFC 5929: the hash of the server's certificate (DER) by the algorithm of its signature.
 * undefined: nothing can be bound to such a certificate.
 */
export function tlsServerEndPoint(certificate: Buffer): Buffer | undefined {
  if (certificate.includes(EDDSA_OID)) return undefined
  const hash = signatureHash(certificate)
  if (hash === undefined) return undefined
  return createHash(hash.replace('-', '').toLowerCase()).update(certificate).digest()
}

function signatureHash(certificate: Buffer): string | undefined {
  try {
    const hash = signatureAlgorithmHashFromCertificate(certificate)
    if (WEAK_HASHES.has(hash)) return 'SHA-256'
    return HASHES.has(hash) ? hash : undefined
  } catch {
    return undefined
  }
}
