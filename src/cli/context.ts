import { once } from 'node:events'
import { escapeJson, escapeText } from '../bytes/escape.js'
import { UmlcowError } from '../errors.js'

/** What commands need of the process: where to print, and when to stop. */
export interface CliContext {
  readonly signal: AbortSignal
  /** Resolves when the reader keeps up. */
  print(text: string): Promise<void>
  printJson(value: unknown): Promise<void>
  warn(message: string): void
}

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

export function createContext(signal: AbortSignal): CliContext {
  const context: CliContext = {
    signal,
    async print(text) {
      if (!process.stdout.write(text)) await once(process.stdout, 'drain')
    },
    printJson: (value) => context.print(`${escapeJson(JSON.stringify(value, null, 2))}\n`),
    warn: (message) => {
      process.stderr.write(`umlcow: warning: ${escapeText(message)}\n`)
    },
  }
  return context
}

/** The JSON document of a failed run. */
export function errorDocument(error: unknown): unknown {
  const { code, details, hint } =
    error instanceof UmlcowError ? error : { code: 'INTERNAL', details: {}, hint: undefined }
  const message = error instanceof Error ? error.message : String(error)
  return { error: { code, message, details, ...(hint === undefined ? {} : { hint }) } }
}

/** The lines of an error on stderr. */
export function errorLines(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  const lines = message.split('\n').map((line) => `umlcow: ${escapeText(line)}\n`)
  const hint = error instanceof UmlcowError ? error.hint : undefined
  if (hint !== undefined) lines.push(`umlcow: ${hint.startsWith('umlcow ') ? 'try: ' : ''}${escapeText(hint)}\n`)
  return lines.join('')
}
