import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

/**
 * One instance of Postgres' parser in WASM. We drive the Emscripten factory ourselves because the package's own API
 * keeps a single instance that can't be replaced, and 31 over-deep statements break that one for good.
 */
export type LibPgQuery = {
  readonly HEAPU8: Uint8Array
  readonly HEAPU32: Uint32Array
  _malloc(size: number): number
  _free(address: number): void
  _wasm_parse_query_raw(text: number): number
  _wasm_free_parse_result(result: number): void
  _wasm_parse_plpgsql(text: number): number
  _wasm_scan(text: number): number
  _wasm_free_string(text: number): void
}

type Factory = (overrides: {
  instantiateWasm(imports: object, done: (instance: object) => void): object
  printErr(line: string): void
}) => Promise<LibPgQuery>

const require = createRequire(import.meta.url)

/** The little we use of it: the types of Node and es2023 leave it out. */
declare const WebAssembly: {
  compile(bytes: Uint8Array): Promise<object>
  readonly Instance: new (module: object, imports: object) => object
}

let compiled: Promise<object> | undefined

/** A fresh instance: about 10 ms of CPU; 128 MiB of address space, of which 15 MB become resident. */
export async function createLibPgQuery(): Promise<LibPgQuery> {
  compiled ??= WebAssembly.compile(
    readFileSync(require.resolve('libpg-query/wasm/libpg-query.wasm')),
  )
  const module = await compiled
  const factory = require('libpg-query/wasm/libpg-query.js') as Factory
  return factory({
    instantiateWasm(imports, done) {
      done(new WebAssembly.Instance(module, imports))
      return {}
    },
    // aborts are thrown as well, and become 54001
    printErr() {},
  })
}

/** Copies `text` into the instance as a C string; the caller frees it. */
export function copyIn(library: LibPgQuery, text: Uint8Array): number {
  const address = library._malloc(text.length + 1)
  if (address === 0) throw new RangeError('out of memory')
  // HEAPU8 is replaced when the memory grows, so it is read after the allocation
  const heap = library.HEAPU8
  heap.set(text, address)
  heap[address + text.length] = 0
  return address
}

/** The C string at `address`, as bytes that alias the instance's memory. */
export function bytesAt(library: LibPgQuery, address: number): Buffer {
  const heap = library.HEAPU8
  const end = heap.indexOf(0, address)
  return Buffer.from(heap.buffer, heap.byteOffset + address, end - address)
}

export function int32At(library: LibPgQuery, address: number): number {
  return (library.HEAPU32[address >> 2] ?? 0) | 0
}
