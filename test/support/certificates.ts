import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory } from './postgres-cluster.ts'
import { hasProgram } from './psql.ts'
import type { Teardown } from './stock-postgres.ts'

export type Pair = {
  readonly keyFile: string
  readonly certFile: string
  readonly key: Buffer
  readonly cert: Buffer
}

/** Keys and certificates that live as long as the test. */
export type Certificates = {
  readonly directory: string
  readonly caFile: string
  readonly ca: Buffer
  /** Of localhost and 127.0.0.1, signed by the authority. */
  readonly server: Pair
  /** Signed by itself. */
  readonly stranger: Pair
  client(name: string, alternativeName?: string): Pair
}

/** Tests that need certificates are skipped, with this text, where it isn't installed. */
export const NEEDS_OPENSSL = hasProgram('openssl', 'version')
  ? false
  : 'the openssl program is not installed: nothing of TLS is tested'

export function makeCertificates(t: Teardown): Certificates {
  const directory = temporaryDirectory(t)
  const path = (name: string) => join(directory, name)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' })
  const makeKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const selfSigned = (name: string, subject: string, ...more: string[]) => {
    const files = ['-keyout', path(`${name}.key`), '-out', path(`${name}.crt`)]
    openssl('req', '-x509', ...makeKey, ...files, '-days', '2', '-subj', subject, ...more)
    return read(path, name)
  }
  const signed = (name: string, subject: string, alternatives: string | undefined) => {
    const [key, request, cert, extensions] = ['key', 'csr', 'crt', 'ext'].map((suffix) =>
      path(`${name}.${suffix}`),
    ) as [string, string, string, string]
    openssl('req', ...makeKey, '-keyout', key, '-out', request, '-subj', subject)
    writeFileSync(extensions, alternatives === undefined ? '' : `subjectAltName=${alternatives}\n`)
    const authority = ['-CA', path('ca.crt'), '-CAkey', path('ca.key'), '-CAcreateserial']
    const more = ['-days', '2', '-extfile', extensions]
    openssl('x509', '-req', '-in', request, ...authority, '-out', cert, ...more)
    return read(path, name)
  }
  const ca = selfSigned('ca', '/CN=authority')
  return {
    directory,
    caFile: ca.certFile,
    ca: ca.cert,
    server: signed('server', '/CN=localhost', 'DNS:localhost,IP:127.0.0.1'),
    stranger: selfSigned('stranger', '/CN=localhost'),
    client: (name, alternative) => signed(`client-${name}`, `/CN=${name}`, alternative),
  }
}

function read(path: (name: string) => string, name: string): Pair {
  const [keyFile, certFile] = [path(`${name}.key`), path(`${name}.crt`)]
  return { keyFile, certFile, key: readFileSync(keyFile), cert: readFileSync(certFile) }
}
