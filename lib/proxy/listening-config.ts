import type { Config } from '../config/config.ts'
import type { ListeningOptions } from '../session/client/listening-ports.ts'

const OCTAL = 8

export function listeningOptions({ listen, tcp }: Config): ListeningOptions {
  const { hosts, port, backlog, unix_socket_dir: directory, unix_socket_mode } = listen
  const mode = Number.parseInt(unix_socket_mode, OCTAL)
  return {
    hosts,
    port,
    backlog,
    unixSocket: directory === undefined ? undefined : { directory, mode },
    keepAliveIdleMs: tcp.keepalive ? tcp.keepidle_ms : undefined,
  }
}

/** Where clients connect: as the first user of the configuration, or the metadata user where there are none. */
export function clientUrl(config: Config, port: number, database: string): string {
  const { listen, metadata_user, users } = config
  const user = encodeURIComponent(users[0]?.name ?? metadata_user)
  return `postgres://${user}@${listen.hosts[0] ?? ''}:${port}/${encodeURIComponent(database)}`
}
