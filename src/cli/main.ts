import { readFileSync } from 'node:fs'
import path from 'node:path'
import { type Command, CommanderError } from 'commander'
import { escapeText } from '../bytes/escape.js'
import { hasCode, UmlcowError } from '../errors.js'
import { umlUtilities } from './commands/uml-utilities.js'
import { createContext, errorDocument, errorLines } from './context.js'
import { exitStatus, statusOf } from './exit-status.js'
import { createProgram } from './program.js'

/** Verbs that write, so that a backing file that does not fit is a refusal and not a failure. */
const writingVerbs = new Set(['create', 'merge', 'rebase', 'moo', 'mkcow'])

const signalStatus = { SIGINT: exitStatus.interrupted, SIGTERM: exitStatus.terminated } as const

/**
 * Run the command.
 *
 * @param argv  as process.argv: the interpreter, the name of the command, its arguments
 * @returns     the exit status
 */
export async function main(argv: readonly string[]): Promise<number> {
  const [, command = 'umlcow', ...args] = argv
  const stop = new AbortController()
  let stopStatus: number | null = null
  for (const [signal, status] of Object.entries(signalStatus)) {
    process.on(signal, () => {
      stopStatus ??= status
      stop.abort()
    })
  }
  process.stdout.on('error', (error) => {
    // The reader has gone; there is nobody left to tell.
    process.exit(hasCode(error, 'EPIPE') ? exitStatus.failed : reportFailure(error, args))
  })
  try {
    return await dispatch(path.basename(command), args, stop.signal)
  } catch (error) {
    if (stopStatus !== null && hasCode(error, 'INTERRUPTED', 'ABORT_ERR')) {
      process.stderr.write('umlcow: stopped; the inputs are as they were, and nothing half-made is left\n')
      // A write to a pipe that nobody reads still waits in the thread pool; it must not keep the process.
      process.exit(stopStatus)
    }
    return reportFailure(error, args)
  }
}

async function dispatch(name: string, args: string[], signal: AbortSignal): Promise<number> {
  for (const [verb, tool] of Object.entries(umlUtilities)) {
    if (name === tool.linkName) return tool.run(args, signal)
    // Their first arguments may look like options of ours.
    if (args[0] === verb && args[1] !== '--help' && args[1] !== '-h') return tool.run(args.slice(1), signal)
  }
  let status: number = exitStatus.done
  const program = createProgram(createContext(signal), (code) => (status = code), readVersion())
  prepareErrors(program)
  if (args.length === 0) {
    process.stderr.write(program.helpInformation())
    return exitStatus.usage
  }
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? exitStatus.done : exitStatus.usage
  }
  return status
}

/** Wrong usage must neither exit nor print on its own: its text gets our form, its status is ours. */
function prepareErrors(program: Command): void {
  for (const command of [program, ...program.commands]) {
    command.exitOverride()
    command.configureOutput({ outputError: (text, write) => write(usageText(command, text)) })
  }
}

function usageText(command: Command, text: string): string {
  const [first = '', ...more] = text.trim().split('\n')
  const message = first.startsWith('error: ') ? first.slice('error: '.length) : first
  const suggestion = more.length === 0 ? '' : ` ${more.join(' ')}`
  const verb = command.parent === null ? '' : ` ${command.name()}`
  return `umlcow: ${escapeText(message + suggestion)}\numlcow: try "umlcow${verb} --help"\n`
}

function reportFailure(error: unknown, args: readonly string[]): number {
  const json = args.some(
    (arg, i) => arg === '--json' || arg === '--output=json' || (arg === 'json' && args[i - 1] === '--output'),
  )
  if (!(error instanceof UmlcowError)) process.stderr.write(internalErrorNote(error))
  if (json) process.stdout.write(`${JSON.stringify(errorDocument(error), null, 2)}\n`)
  process.stderr.write(errorLines(error))
  return statusOf(error, writingVerbs.has(args[0] ?? '') || args.includes('--repair'))
}

function internalErrorNote(error: unknown): string {
  const stack = process.env['UMLCOW_DEBUG'] && error instanceof Error ? `${error.stack}\n` : ''
  return `umlcow: this is a defect of umlcow itself; please report it (UMLCOW_DEBUG=1 shows where it happened)\n${stack}`
}

function readVersion(): string {
  const manifest: { version: string } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return manifest.version
}
