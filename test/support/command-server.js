// The built command, loaded once, run many times: starting Node takes longer than most commands. See command.ts.
//
// Descriptor 3 brings a line of JSON for each run, { args, cwd, env, umask }; a line on descriptor 4 answers it,
// { status, signal, isWorn }. What the run prints goes to descriptors 1 and 2, which are files. While no command runs
// nothing does: both ends wait without an event loop.
import fs from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { main } from '../../dist/command/main.js'

const commandPath = new URL('../../bin/umlcow.js', import.meta.url).pathname
const [requests, answers] = [3, 4]

/** Set by what only a new process can do again. */
let isWorn = false

const { get: makeStdin } = Object.getOwnPropertyDescriptor(process, 'stdin')
Object.defineProperty(process, 'stdin', {
  get() {
    isWorn = true
    return makeStdin.call(process)
  },
})

const exit = process.exit.bind(process)
process.exit = (status = process.exitCode) => {
  answer({ status: status ?? 0, isWorn: true })
  exit(0)
}

function answer(document) {
  fs.writeSync(answers, `${JSON.stringify(document)}\n`)
}

function readRequest() {
  let text = ''
  const bytes = Buffer.alloc(65_536)
  while (!text.endsWith('\n')) {
    const count = fs.readSync(requests, bytes)
    if (count === 0) return null
    text += bytes.toString('latin1', 0, count)
  }
  return JSON.parse(Buffer.from(text, 'latin1').toString())
}

const listened = ['SIGHUP', 'SIGINT', 'SIGTERM', 'exit']

/** A process that goes on must not gather what one that ends leaves. */
function removeListeners() {
  for (const event of listened) process.removeAllListeners(event)
  for (const stream of [process.stdout, process.stderr]) stream.removeAllListeners('error')
}

/** Names of what is open but for Node's own machinery, some of which it makes when it is first wanted. */
function openFiles() {
  const names = fs.readdirSync('/proc/self/fd').map((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return '' // The one by which the directory was read.
    }
  })
  return names.filter((name) => !/^anon_inode:|^\/dev\/null$|^$/.test(name)).join()
}

async function run({ args, cwd, env, umask }) {
  process.chdir(cwd)
  process.umask(umask)
  for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name]
  Object.assign(process.env, env)
  const before = openFiles()
  const status = await main([process.execPath, commandPath, ...args])
  removeListeners()
  // Sockets close a turn of the event loop after they are told to.
  for (let turns = 0; turns < 3 && openFiles() !== before; turns++) await setImmediate()
  answer({ status, isWorn: isWorn || openFiles() !== before })
}

removeListeners()
for (let request = readRequest(); request !== null; request = readRequest()) await run(request)
exit(0)
