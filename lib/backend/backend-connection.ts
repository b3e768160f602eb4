import type { ResponseSink } from './response-sink.ts'

export type BackendAddress = {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

/** One server connection. */
export abstract class BackendConnection {
  abstract readonly node: BackendAddress
  abstract open(sink: ResponseSink): void
  abstract flush(): void
}
