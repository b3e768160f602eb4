import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ConfigTls } from '../config/config.ts'
import { UsageError } from '../config/usage-error.ts'
import type { TlsOptions } from '../wire/tls-options.ts'

/** Reads the files anew: certificates are renewed in place. */
export function readTls(tls: ConfigTls): TlsOptions {
  const { sslmode, key_file, cert_file, ca_file, protocols, ciphers, tls13_ciphers } = tls
  if (sslmode === 'disable') return { sslmode, context: {} }
  const versions = ['tlsv1.0', 'tlsv1.1', 'tlsv1.2', 'tlsv1.3'] as const
  const names = { 'tlsv1.0': 'TLSv1', 'tlsv1.1': 'TLSv1.1', 'tlsv1.2': 'TLSv1.2' } as const
  const allowed = versions.filter((version) => protocols.includes(version))
  const nameOf = (version: (typeof versions)[number] | undefined) =>
    version === undefined || version === 'tlsv1.3' ? 'TLSv1.3' : names[version]
  const suites = [tls13_ciphers, ciphers].filter((list) => list !== undefined).join(':')
  return {
    sslmode,
    context: {
      ...pem('key', key_file),
      ...pem('cert', cert_file),
      ...pem('ca', ca_file),
      minVersion: nameOf(allowed[0]),
      maxVersion: nameOf(allowed.at(-1)),
      ...(suites === '' ? {} : { ciphers: suites }),
    },
  }
}

function pem(name: 'key' | 'cert' | 'ca', file: string | undefined) {
  if (file === undefined) return {}
  try {
    return { [name]: readFileSync(file) }
  } catch (cause) {
    throw unreadable(file, cause)
  }
}

/** Which of the files can't be used; undefined: each by itself can. */
export function unusableFile({ key_file, cert_file, ca_file }: ConfigTls): string | undefined {
  const attempts = [
    ['key_file', key_file, (bytes: Buffer) => createPrivateKey(bytes)],
    ['cert_file', cert_file, (bytes: Buffer) => new X509Certificate(bytes)],
    ['ca_file', ca_file, (bytes: Buffer) => new X509Certificate(bytes)],
  ] as const
  for (const [key, file, read] of attempts) {
    try {
      if (file !== undefined) read(readFileSync(file))
    } catch (error) {
      const what = key === 'key_file' ? 'private key without a passphrase' : 'certificate'
      const { code = '' } = error as NodeJS.ErrnoException
      return `${key} ${file} holds no ${what} in PEM${code === '' ? '' : ` (${code})`}`
    }
  }
  return undefined
}

export function unreadable(file: string, cause: unknown): UsageError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new UsageError(`cannot read ${file}: ${reason}`, { cause })
}
