import type { ClientPort, StatementContext } from './ports.ts'

/** The same statement's world with another place for its rows. */
export function withClient<T extends StatementContext>(context: T, client: ClientPort): T {
  return new Proxy(context, {
    get: (target, property) => {
      if (property === 'client') return client
      const value: unknown = Reflect.get(target, property, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
