import { escapeJson, escapeText } from '../bytes/escape.js'
import { hasCode, orInterrupted, UmlcowError } from '../errors.js'
import { openPipeStore } from '../machine/stores/pipe-store.js'
import { writeExact } from '../stores/block-store.js'
import { warn } from './messages.js'

/** What commands need from the process: where to print, when to stop, how to end. */
export interface CliContext {
  readonly signal: AbortSignal
  /** Resolves when the text is written. @throws UmlcowError INTERRUPTED, or the system's code */
  print(text: string): Promise<void>
  /** The same for bytes. The caller must not change them before that. */
  printBytes(bytes: Uint8Array): Promise<void>
  printJson(value: unknown): Promise<void>
  /** Print what was done. A signal that comes now is too late to stop it, so it is no failure. */
  printDone(text: string): Promise<void>
  printJsonDone(value: unknown): Promise<void>
  warn(message: string): void
  /** The exit status of the verb, with its options, when it fails with this error. */
  statusOf(error: unknown): number
}

/** Takes the exit status of a command that has run. */
export type Finish = (status: number) => void

/** Options that many verbs share. */
export interface CommonFlags {
  readonly json?: boolean
  readonly output?: 'human' | 'json'
  readonly quiet?: boolean
  readonly progress?: string
}

export function wantsJson(flags: CommonFlags): boolean {
  return flags.json === true || flags.output === 'json'
}

/** The reader of standard output has gone, as `head` does: there is nobody left to print for. */
export class ReaderGone extends Error {}

export function createContext(signal: AbortSignal, statusOf: CliContext['statusOf']): CliContext {
  // Not process.stdout: its writes to a pipe block, and no signal would arrive while a reader does not read.
  const output = openPipeStore(1, 'standard output')
  const context: CliContext = {
    signal,
    print: (text) => context.printBytes(Buffer.from(text)),
    async printBytes(bytes) {
      try {
        await orInterrupted(writeExact(output, output.size, bytes), signal)
      } catch (error) {
        throw hasCode(error, 'EPIPE') ? new ReaderGone() : error
      }
    },
    printJson: (value) => context.print(jsonText(value)),
    async printDone(text) {
      try {
        await context.print(text)
      } catch (error) {
        if (!hasCode(error, 'INTERRUPTED')) throw error
      }
    },
    printJsonDone: (value) => context.printDone(jsonText(value)),
    warn,
    statusOf,
  }
  return context
}

function jsonText(value: unknown): string {
  return `${escapeJson(JSON.stringify(value, null, 2))}\n`
}

/** The JSON document of a failed run. */
export function errorDocument(error: unknown): string {
  return jsonText(describeError(error))
}

/** A failure as a part of a JSON document. */
export function describeError(error: unknown): { error: Record<string, unknown> } {
  const { code, details, hint } =
    error instanceof UmlcowError ? error : { code: 'INTERNAL', details: {}, hint: undefined }
  const message = error instanceof Error ? error.message : String(error)
  return { error: { code, message, details, ...(hint === undefined ? {} : { hint }) } }
}

/** The lines of an error on stderr. */
export function errorLines(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  const lines = message.split('\n').map((line) => `umlcow: ${escapeText(line)}\n`)
  const hints = error instanceof UmlcowError ? error.hint?.split('\n') : undefined
  for (const hint of hints ?? [])
    lines.push(`umlcow: ${hint.startsWith('umlcow ') ? 'try: ' : ''}${escapeText(hint)}\n`)
  return lines.join('')
}
