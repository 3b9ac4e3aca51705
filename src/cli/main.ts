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
import { findVerb } from './verbs.js'

/** What is known of the command while it runs. */
interface Running {
  status: number
  writes: boolean
  /** The exit status of a failure that has no other. */
  failedStatus: number
}

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
  // A link to umlcow with this name stands for the verb.
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
  const running: Running = { status: exitStatus.done, writes: false, failedStatus: exitStatus.failed }
  try {
    refuseMangled(given)
    return await dispatch(name, args, stop.signal, running)
  } catch (error) {
    if (!hasCode(error, 'INTERRUPTED', 'ABORT_ERR')) return reportFailure(error, args, running)
    tell(stopLines(error))
    // Exit at once: a write to a pipe that nobody reads still waits in the thread pool. Without a signal, the write
    // went to a terminal that is gone: SIGHUP is on its way, or goes to the jobs in the foreground only.
    process.exit(stopStatus ?? exitStatus.hungUp)
  }
}

function stopLines(error: unknown): string {
  // The message of a stopped merge in place says what to do next.
  if (error instanceof UmlcowError && error.details.unfinished === true) return errorLines(error)
  const hint = error instanceof UmlcowError ? error.hint : undefined
  return `umlcow: stopped; the inputs are unchanged, and ${hint ?? 'no unfinished output is left'}\n`
}

async function dispatch(name: string, args: string[], signal: AbortSignal, running: Running): Promise<number> {
  // The first arguments of a tool may look like options of umlcow.
  const isHelp = args[1] === '--help' || args[1] === '-h'
  for (const tool of umlUtilities) {
    const isLink = name === tool.linkName
    if (!isLink && (args[0] !== tool.name || isHelp)) continue
    running.writes = true
    return (await tool.loadTool())(isLink ? args : args.slice(1), signal)
  }
  const words = args.includes('help') ? (await import('./help-words.js')).helpWords(args, findVerb) : args
  let help = ''
  const context = createContext(signal, (error) => statusIn(running, error))
  const program = createProgram({
    context,
    finish: (status) => {
      running.status = status
    },
    onStart: (writes, failedStatus) => {
      Object.assign(running, { writes, failedStatus })
    },
    readVersion,
    writeOut: (text) => {
      help += text
    },
    wanted: words[0],
  })
  if (words.length === 0) {
    tell(program.helpInformation())
    return exitStatus.usage
  }
  try {
    await program.parseAsync(words, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode !== 0) throw wrongUsage(error, program, words)
  }
  // Not by commander: an error of `process.stdout` would end the process with a stack.
  if (help !== '') await context.print(help)
  return running.status
}

/** Commander's message in our form. The hint is the help of the verb. */
function wrongUsage(error: CommanderError, program: Command, args: readonly string[]): UmlcowError {
  const text = error.message.startsWith('error: ') ? error.message.slice('error: '.length) : error.message
  const verb = program.commands.find((one) => one.name() === args[0])
  const action = verb?.commands.find((one) => one.name() === args[1])
  const option = args[0] === 'version' ? '--version' : '--help'
  const words = ['umlcow', verb?.name(), action?.name(), option].filter((word) => word !== undefined)
  const hint = words.join(' ')
  const command = action ?? verb
  const isPart = error.code === 'commander.missingArgument' && command !== undefined && command.args.length > 0
  const order = isPart ? `; the order is: ${command.name()} ${argumentsOf(command)}` : ''
  return new UmlcowError('USAGE', text.split('\n').join(' ') + order, { hint })
}

function argumentsOf({ registeredArguments }: Command): string {
  return registeredArguments.map((one) => one.name().toUpperCase() + (one.variadic ? '...' : '')).join(' ')
}

function wantsJson(args: readonly string[]): boolean {
  return args.some(
    (arg, i) => arg === '--json' || arg === '--output=json' || (arg === 'json' && args[i - 1] === '--output'),
  )
}

function reportFailure(thrown: unknown, args: readonly string[], running: Running): number {
  if (thrown instanceof ReaderGone) return running.failedStatus
  // Everything may need a file descriptor, even loading a part of the program.
  const error = hasCode(thrown, 'EMFILE', 'ENFILE') ? fileError('umlcow', 'open a file', thrown) : thrown
  if (!(error instanceof UmlcowError)) tell(internalErrorNote(error))
  if (wantsJson(args)) printDocument(errorDocument(error))
  tell(errorLines(error))
  return statusIn(running, error)
}

function statusIn({ writes, failedStatus }: Running, error: unknown): number {
  const status = statusOf(error, writes)
  return status === exitStatus.failed ? failedStatus : status
}

/** Does not use the context: a signal may have stopped it. */
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
