// Put what was measured into a page: node bench/page.js [--write docs/performance.md] FILE.json...
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { main } from './home.js'
import {
  crossoverTable,
  fastestTable,
  machineLines,
  nodeStartUp,
  runTable,
  seriesTable,
  startUpTable,
  targetTable,
} from './page-tables.js'

const usage = `usage: node bench/page.js [--write PAGE] FILE.json...
  FILE.json   written by bench/run.js or bench/series.js with --json; of two with the same row the first counts
  --write     put each table between its marker comments in PAGE; a table without figures is left as it is
`

const end = '<!-- end -->'
const marker = '<!-- table: '
const beginOf = (name) => `${marker}${name} -->`

function readOptions() {
  const { values, positionals } = parseArgs({ options: { write: { type: 'string' } }, allowPositionals: true })
  if (positionals.length === 0) throw new Error('expected the JSON of some runs')
  return { documents: positionals.map(readDocument), page: values.write }
}

function readDocument(file) {
  const document = JSON.parse(readFileSync(file, 'utf8'))
  if (document.kind === undefined) throw new Error(`${file}: expected what bench/run.js or bench/series.js writes`)
  return document
}

/** Each table by its name; null where nothing was measured. */
function tablesOf(documents) {
  const series = documents.filter(({ kind }) => kind === 'series')
  const partOf = (name) => series.find((one) => one[name].length > 0)
  const of = (kind, cold = false) => documents.filter((one) => one.kind === kind && one.cold === cold)
  return {
    machine: machineLines(documents),
    targets: targetTable(of, nodeStartUp(partOf('startUp'))),
    'new-file': runTable(of('new file')),
    'new-file-fastest': fastestTable(of('new file')),
    'in-place': runTable(of('in place, steady')),
    'in-place-first': runTable(of('in place, first')),
    'new-file-cold': runTable(of('new file', true)),
    'in-place-cold': runTable(of('in place, steady', true)),
    crossover: crossoverTable(of('in place, steady')),
    size: seriesTable(partOf('size'), 'size', 'virtualSize', 'size of the image'),
    allocated: seriesTable(partOf('allocated'), 'allocated', 'overlayData', 'allocated'),
    'start-up': startUpTable(partOf('startUp')),
  }
}

/** The page with another table after its marker. */
function replaceTable(page, name, table) {
  const begin = page.indexOf(beginOf(name))
  const from = begin + beginOf(name).length
  const to = page.indexOf(end, from)
  const next = page.indexOf(marker, from)
  if (begin < 0 || to < 0 || (next >= 0 && next < to)) {
    throw new Error(`no place for a table: expected ${beginOf(name)} and ${end}`)
  }
  return `${page.slice(0, from)}\n\n${table}\n\n${page.slice(to)}`
}

function makePage({ documents, page }) {
  const tables = Object.entries(tablesOf(documents)).filter(([, table]) => table !== null)
  if (page === undefined) {
    for (const [name, table] of tables) console.log(`${beginOf(name)}\n\n${table}\n\n${end}\n`)
    return
  }
  const text = tables.reduce((made, [name, table]) => replaceTable(made, name, table), readFileSync(page, 'utf8'))
  writeFileSync(page, text)
}

await main('page', usage, readOptions, makePage)
