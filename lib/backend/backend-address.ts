/** Where a node is. A host that begins with `/` is the directory of its unix socket. */
export type BackendAddress = {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

export type SocketTarget =
  | { readonly path: string }
  | { readonly host: string; readonly port: number }

export function socketTarget({ host, port }: BackendAddress): SocketTarget {
  return host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port }
}
