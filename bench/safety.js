// What umlcow, uml_moo and qemu-img do where data can be lost: npm run safety [-- OPTIONS].  See docs/safety.md.
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { Place } from './safety/place.js'
import { CannotRun, endAll } from './safety/processes.js'
import { breakRows } from './safety/rows-breaks.js'
import { fileRows } from './safety/rows-files.js'
import { siblingRows } from './safety/rows-siblings.js'
import { replaceTable, tableText } from './safety/table.js'
import { allTools, missingOf, versionsText } from './safety/tools.js'

const rows = [...fileRows, ...siblingRows, ...breakRows]

const usage = `usage: node bench/safety.js [OPTIONS]
  --rows A,B     only these; default all: ${rows.map((row) => row.id).join(', ')}
  --alone A,B    in these rows, run umlcow and not the others: they have to be caught at work, which takes many tries
  --dir DIR      make the temporary directory there; it chooses the file system
  --write FILE   put the table between the two marker comments of FILE, too
`

function readOptions() {
  const text = { type: 'string' }
  const options = { rows: text, alone: text, dir: { ...text, default: tmpdir() }, write: text }
  const { values } = parseArgs({ options })
  const chosen = values.rows === undefined ? rows : rowsOf('rows', values.rows)
  const alone = values.alone === undefined ? [] : rowsOf('alone', values.alone)
  if (values.write !== undefined && chosen !== rows) throw new Error('--write needs all rows')
  return { rows: chosen, alone, directory: path.resolve(values.dir), write: values.write }
}

function rowsOf(option, value) {
  const chosen = value.split(',').map((id) => rows.find((row) => row.id === id.trim()))
  if (chosen.includes(undefined)) throw new Error(`--${option} ${value}: expected some of the rows below`)
  return chosen
}

/** Make the situation, run the tool in it, and say what was seen. */
async function runCell(row, tool, top) {
  if (missingOf(tool.program) !== null) return `not run: needs ${path.basename(tool.program)}`
  const reason = row.whyNot?.(tool) ?? null
  if (reason !== null) return reason
  const place = new Place(top)
  try {
    return await row.run({ evenWithSiblings: [], evenWithoutRoom: [], keepSiblings: [], keepUndo: [], ...tool }, place)
  } catch (error) {
    if (error instanceof CannotRun) return `not run: ${error.message}`
    throw error
  } finally {
    place.remove()
  }
}

async function main(options) {
  const top = realpathSync(mkdtempSync(path.join(options.directory, 'umlcow-safety-')))
  const cleanUp = () => {
    endAll()
    rmSync(top, { recursive: true, force: true, maxRetries: 3 })
  }
  for (const [signal, status] of Object.entries({ SIGINT: 130, SIGTERM: 143 })) {
    process.on(signal, () => {
      cleanUp()
      process.exit(status)
    })
  }
  try {
    const tools = allTools()
    const versions = await versionsText()
    const lines = []
    for (const row of options.rows) {
      const begun = Date.now()
      const cells = []
      for (const tool of tools) {
        const isLeftOut = options.alone.includes(row) && tool !== tools[0]
        cells.push(isLeftOut ? 'not run: --alone' : await runCell(row, tool, top))
      }
      lines.push([row.text, ...cells])
      process.stderr.write(`${row.id}: ${((Date.now() - begun) / 1000).toFixed(1)} s\n`)
    }
    return `${versions}\n\n${tableText(['', ...tools.map((tool) => tool.name)], lines)}\n`
  } finally {
    cleanUp()
  }
}

let options
try {
  options = readOptions()
} catch (error) {
  process.stderr.write(`safety: ${error.message}\n${usage}`)
  process.exitCode = 64
}
if (options !== undefined) {
  const table = await main(options)
  process.stdout.write(table)
  if (options.write !== undefined) {
    if (table.includes('not run: ')) throw new Error('some cells were not run: nothing was written')
    writeFileSync(options.write, replaceTable(readFileSync(options.write, 'utf8'), table))
  }
}
