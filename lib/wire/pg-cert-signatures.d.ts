declare module 'pg/lib/crypto/cert-signatures.js' {
  /** The hash of a certificate's (DER) signature by its WebCrypto name; throws when it has none or is no certificate. */
  export function signatureAlgorithmHashFromCertificate(certificate: Buffer): string
}
