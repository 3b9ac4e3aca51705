import fs from 'node:fs'
import path from 'node:path'
import { type Command, CommanderError } from 'commander'
import { hasCode, UmlcowError } from '../errors.js'
import { releaseTerminalsAtExit } from '../machine/processes/standard-descriptors.js'
import { fileError } from '../machine/stores/file-store.js'
import { refuseMangled } from './arguments.js'
import { createContext, errorDocument, errorLines, ReaderGone } from './context.js'
import { exitStatus, statusOf } from './exit-status.js'
import { tell } from './messages.js'
import { createProgram } from './program.js'
import { umlUtilities } from './uml-utilities.js'

/** Verbs that write, so that a backing file that does not fit is a refusal and not a failure. */
const writingVerbs = new Set(['create', 'merge', 'commit', 'reset', 'rebase', 'moo', 'mkcow', 'humfsify'])

/** The actions of `humfs` that do. */
const writingActions = new Set(['restore', 'export', 'import'])

const signalStatus = {
  SIGHUP: exitStatus.hungUp,
  SIGINT: exitStatus.interrupted,
  SIGTERM: exitStatus.terminated,
} as const

/**
 * Run the command.
 *
 * @param argv  as process.argv: the interpreter, the name of the command, its arguments
 * @returns     the exit status
 */
export async function main(argv: readonly string[]): Promise<number> {
  const [, command = 'umlcow', ...given] = argv
  const name = path.basename(command)
  // A link of this name is the verb.
  const args = name === 'humfsify' ? [name, ...given] : given
  releaseTerminalsAtExit()
  const stop = new AbortController()
  let stopStatus: number | null = null
  for (const [signal, status] of Object.entries(signalStatus)) {
    process.on(signal, () => {
      stopStatus ??= status
      stop.abort()
    })
  }
  try {
    refuseMangled(given)
    return await dispatch(name, args, stop.signal)
  } catch (error) {
    if (!hasCode(error, 'INTERRUPTED', 'ABORT_ERR')) return reportFailure(error, args)
    tell(stopLines(error))
    // A write to a pipe that nobody reads still waits in the thread pool; it must not keep the process. Without a signal
    // it was a write to a terminal that is gone: SIGHUP is on its way, or goes to the jobs in the foreground only.
    process.exit(stopStatus ?? exitStatus.hungUp)
  }
}

function stopLines(error: unknown): string {
  // A merge in place that was stopped says itself how things stand.
  if (error instanceof UmlcowError && error.details.unfinished === true) return errorLines(error)
  const hint = error instanceof UmlcowError ? error.hint : undefined
  return `umlcow: stopped; the inputs are as they were, and ${hint ?? 'nothing half-made is left'}\n`
}

async function dispatch(name: string, args: string[], signal: AbortSignal): Promise<number> {
  for (const [verb, tool] of Object.entries(umlUtilities)) {
    if (name === tool.linkName) return (await tool.load())(args, signal)
    // Their first arguments may look like options of ours.
    if (args[0] === verb && args[1] !== '--help' && args[1] !== '-h') return (await tool.load())(args.slice(1), signal)
  }
  let status: number = exitStatus.done
  const finish = (code: number) => {
    status = code
  }
  const context = createContext(signal)
  const program = await createProgram(context, finish, readVersion, args[0])
  if (args.length === 0) {
    tell(program.helpInformation())
    return exitStatus.usage
  }
  const commands = [program, ...program.commands, ...program.commands.flatMap((verb) => verb.commands)]
  let help = ''
  const writeOut = (text: string) => {
    help += text
  }
  for (const each of commands) each.exitOverride().configureOutput({ outputError: () => {}, writeOut })
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode !== 0) throw wrongUsage(error, program, args)
  }
  // Not by commander: an error of `process.stdout` would end the process with a stack.
  if (help !== '') await context.print(help)
  return status
}

/** Commander's message in our form, with the help that tells more. */
function wrongUsage(error: CommanderError, program: Command, args: readonly string[]): UmlcowError {
  const text = error.message.startsWith('error: ') ? error.message.slice('error: '.length) : error.message
  const verb = program.commands.find((one) => one.name() === args[0])
  const action = verb?.commands.find((one) => one.name() === args[1])
  const words = ['umlcow', verb?.name(), action?.name(), '--help'].filter((word) => word !== undefined)
  const hint = words.join(' ')
  return new UmlcowError('USAGE', text.split('\n').join(' '), { hint })
}

function wantsJson(args: readonly string[]): boolean {
  return args.some(
    (arg, i) => arg === '--json' || arg === '--output=json' || (arg === 'json' && args[i - 1] === '--output'),
  )
}

function reportFailure(thrown: unknown, args: readonly string[]): number {
  if (thrown instanceof ReaderGone) return exitStatus.failed
  // Anything may need a file descriptor, down to loading a part of the program.
  const error = hasCode(thrown, 'EMFILE', 'ENFILE') ? fileError('umlcow', 'open a file', thrown) : thrown
  if (!(error instanceof UmlcowError)) tell(internalErrorNote(error))
  if (wantsJson(args)) printDocument(errorDocument(error))
  tell(errorLines(error))
  return statusOf(error, writes(args))
}

function writes([verb = '', ...rest]: readonly string[]): boolean {
  const isWriter = verb === 'humfs' && rest.some((word) => writingActions.has(word))
  return writingVerbs.has(verb) || rest.includes('--repair') || isWriter
}

/** Not through a context: the one that there was may have been stopped. */
function printDocument(text: string): void {
  process.stdout.on('error', (error) => {
    if (!hasCode(error, 'EPIPE')) tell(errorLines(fileError('standard output', 'write', error)))
    process.exit(exitStatus.failed)
  })
  process.stdout.write(text)
}

function internalErrorNote(error: unknown): string {
  const stack = process.env['UMLCOW_DEBUG'] && error instanceof Error ? `${error.stack}\n` : ''
  return `umlcow: this is a defect of umlcow itself; please report it (UMLCOW_DEBUG=1 shows where it happened)\n${stack}`
}

function readVersion(): string {
  const manifest: { version: string } = JSON.parse(
    fs.readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  )
  return manifest.version
}
