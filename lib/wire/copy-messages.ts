import { FrameCursor } from './frame-cursor.ts'
import type { FrameWriter } from './frame-writer.ts'
import { Backend, Frontend } from './message-codes.ts'

// CopyData and CopyDone are the same in both directions.

/** The body; aliases the frame. */
export function readCopyData(frame: Buffer): Buffer {
  return new FrameCursor(frame).rest()
}

export function writeCopyData(
  out: FrameWriter,
  bytes: Buffer,
  start = 0,
  end = bytes.length,
): void {
  const message = out.begin(Frontend.copyData)
  out.bytes(bytes, start, end)
  out.end(message)
}

export function writeCopyDone(out: FrameWriter): void {
  out.empty(Frontend.copyDone)
}

/** String(reason) */
export function readCopyFail(frame: Buffer): string {
  const body = new FrameCursor(frame)
  const reason = body.cstring()
  body.end()
  return reason
}

export function writeCopyFail(out: FrameWriter, reason: string): void {
  const message = out.begin(Frontend.copyFail)
  out.cstring(reason)
  out.end(message)
}

/** CopyInResponse, CopyOutResponse, CopyBothResponse: Int8(overall format) Int16[](format of each column) */
export type CopyResponse = {
  readonly format: number
  readonly columnFormats: readonly number[]
}

export function readCopyResponse(frame: Buffer): CopyResponse {
  const body = new FrameCursor(frame)
  const format = body.byte()
  const columnFormats = body.list(() => body.int16())
  body.end()
  return { format, columnFormats }
}

function writeCopyResponse(
  out: FrameWriter,
  type: number,
  { format, columnFormats }: CopyResponse,
): void {
  const message = out.begin(type)
  out.byte(format)
  out.int16(columnFormats.length)
  for (const columnFormat of columnFormats) out.int16(columnFormat)
  out.end(message)
}

export function writeCopyInResponse(out: FrameWriter, response: CopyResponse): void {
  writeCopyResponse(out, Backend.copyInResponse, response)
}

export function writeCopyOutResponse(out: FrameWriter, response: CopyResponse): void {
  writeCopyResponse(out, Backend.copyOutResponse, response)
}
