// The tables of docs/performance.md out of what bench/run.js and bench/series.js have written.
import { median } from './measure.js'
import { machineText, ratiosOf, ratioText, sizeText, touchedText } from './report.js'
import { reached, targets } from './targets.js'

const mib = 2 ** 20

export function markdownTable(head, lines) {
  const line = (cells) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...lines.map(line)].join('\n')
}

/**
 * The rows of one workload out of all documents of a kind. A long run may have been split: a row is compared with ours of
 * its own document, and of two of one id the first counts.
 */
function rowsOf(documents, name) {
  const rows = new Map()
  for (const document of documents) {
    const workload = document.workloads.find((one) => one.name === name)
    for (const row of workload?.rows ?? []) if (!rows.has(row.id)) rows.set(row.id, { ...row, ours: workload.rows[0] })
  }
  return rows
}

/** The documents with any workload that is wanted, without the others. */
function only(documents, isWanted) {
  const chosen = documents.map((one) => ({ ...one, workloads: one.workloads.filter(isWanted) }))
  return chosen.filter(({ workloads }) => workloads.length > 0)
}

const isCrossover = ({ name }) => name.startsWith('W6')

function workloadsOf(documents) {
  const all = documents.flatMap((document) => document.workloads)
  const first = all.filter((workload, i) => all.findIndex((one) => one.name === workload.name) === i)
  // By number: W6-4K-4 before W6-4K-12.
  return first.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
}

/** The workloads that are wanted, the rows of each by id, and all ids; null when there are none. */
function columnsOf(all, isWanted) {
  const documents = only(all, isWanted)
  const workloads = workloadsOf(documents)
  if (workloads.length === 0) return null
  const columns = workloads.map(({ name }) => rowsOf(documents, name))
  return { documents, workloads, columns, ids: [...new Set(columns.flatMap((rows) => [...rows.keys()]))] }
}

/** One line for each command, one column for each workload. */
export function runTable(all) {
  const chosen = columnsOf(all, (workload) => !isCrossover(workload))
  if (chosen === null) return null
  const { documents, workloads, columns, ids } = chosen
  const lines = ids.map((id) => {
    const cells = columns.map((rows) => rows.get(id))
    const row = cells.find((cell) => cell !== undefined)
    const name = row.note === undefined ? `\`${row.name}\`` : `\`${row.name}\`, ${row.note}`
    return [name, ...cells.map(timeCell), peakCell(cells)]
  })
  return `${conditionsText(documents)}\n\n${markdownTable(['', ...workloads.map(({ name }) => name), 'peak RSS'], lines)}`
}

function timeCell(row) {
  if (row === undefined) return ''
  if (row.problem !== null) return row.problem.split(':')[0].toLowerCase()
  const { count, seconds } = row.summary
  const rounds = count === row.rounds.length ? '' : `, n=${count}`
  const time = `${seconds.toFixed(3)} s${rounds}`
  return row.id === row.ours.id ? time : `${time}; ${ratioText(row.summary)}`
}

function peakCell(cells) {
  const peaks = cells.flatMap((row) => row?.summary?.rss ?? [])
  return peaks.length === 0 ? '' : `${(Math.max(...peaks) / mib).toFixed(0)} MiB`
}

function conditionsText(documents) {
  const texts = documents.map(
    ({ scale, rounds, touch, loads }) =>
      `scale ${scale}, ${rounds} rounds${touchedText(touch)}, load ${loads[0]} before and ${loads[1]} after`,
  )
  return `${[...new Set(texts)].join('; ')}.`.replace(/^s/, 'S')
}

/** The fastest round of each command, and how many times that of ours: what slows some rounds down only ever adds. */
export function fastestTable(all) {
  const chosen = columnsOf(all, (workload) => !isCrossover(workload))
  if (chosen === null) return null
  const { workloads, columns } = chosen
  const ids = chosen.ids.filter((id) => id !== 'control' && id !== 'ours-sync')
  const lines = ids.map((id) => {
    const cells = columns.map((rows) => rows.get(id))
    return [`\`${cells.find((row) => row !== undefined).name}\``, ...cells.map(fastestCell)]
  })
  return markdownTable(['', ...workloads.map(({ name }) => name)], lines)
}

function fastestCell(row) {
  if (!row?.summary) return ''
  const [own, ours] = [row, row.ours].map(fastestOf)
  return row.id === row.ours.id ? `${own.toFixed(2)} s` : `${own.toFixed(2)} s; ${(own / ours).toFixed(2)}`
}

function fastestOf({ rounds }) {
  return Math.min(...rounds.filter((round) => round !== null).map(({ seconds }) => seconds))
}

/** W6: time against runs in a window. */
export function crossoverTable(all) {
  const chosen = columnsOf(all, isCrossover)
  if (chosen === null) return null
  const { documents, workloads, columns } = chosen
  const ids = chosen.ids.filter((id) => id !== 'control')
  const nameOf = (id) => `\`${columns.find((rows) => rows.has(id)).get(id).name}\``
  const lines = workloads.map(({ runLength, runCount }, i) => [
    `${runCount} x ${sizeText(runLength)}`,
    ...ids.map((id) => timeCell(columns[i].get(id))),
  ])
  return `${conditionsText(documents)}\n\n${markdownTable(['runs in 256 KiB', ...ids.map(nameOf)], lines)}`
}

/** @param {(kind: string) => object[]} documentsOf */
export function targetTable(documentsOf, startUp) {
  const lines = targets.map((target) => {
    const rows = rowsOf(documentsOf(target.kind), target.workload)
    const figure = figureOf(target, rows, startUp)
    const ours = target.ours === undefined ? '' : `, ours by \`--copier=read\`, without any helper program`
    const what = target.measure === 'times' ? 'its time / ours' : 'our time / its'
    const apart = target.startUpApart ? ', start-up apart' : ''
    const name = rows.get(target.peer)?.name ?? target.peer
    return [
      `${target.workload}, ${target.kind.split(',')[0]}`,
      `\`${name}\`${ours}`,
      `${what}${apart}`,
      goalText(target, target.floor),
      goalText(target, target.stretch),
      figure === null ? '' : ratioText(figure),
      figure === null ? 'not measured' : reached(target, figure.ratio),
    ]
  })
  if (lines.every((line) => line.at(-1) === 'not measured')) return null
  return markdownTable(['workload', 'against', 'figure', 'minimum', 'goal', 'median (min..max)', ''], lines)
}

function goalText({ measure }, goal) {
  if (goal === null) return '-'
  return measure === 'times' ? `>= ${goal}` : `<= ${goal}`
}

function figureOf({ peer, measure, ours = null, startUpApart = false }, rows, startUp) {
  const other = rows.get(peer)
  const own = ours === null ? other?.ours : rows.get(ours)
  if (!own?.summary || !other?.summary || (startUpApart && startUp === null)) return null
  if (measure === 'times') return ratiosOf(other.rounds, own.rounds)
  const less = startUpApart ? startUp : 0
  const rounds = own.rounds.map((round) => round && { ...round, seconds: round.seconds - less })
  return ratiosOf(rounds, other.rounds)
}

/** What an empty program of Node takes, in seconds. */
export function nodeStartUp(series) {
  return series?.startUp.find(({ id }) => id === 'node')?.summary?.seconds ?? null
}

export function seriesTable(series, part, key, heading) {
  const points = series?.[part] ?? []
  if (points.length === 0) return null
  const rows = points.flatMap((point) => point.rows).filter(({ id }) => !id.endsWith(':control'))
  const ids = [...new Set(rows.map(({ id }) => id))]
  const lines = ids.map((id) => {
    const cells = points.map((point) => point.rows.find((row) => row.id === id))
    const times = cells.map((row) => (row?.summary ? `${row.summary.seconds.toFixed(3)} s` : ''))
    return [`\`${rows.find((row) => row.id === id).name}\``, ...times, peakCell(cells)]
  })
  return markdownTable([heading, ...points.map((point) => sizeText(point[key])), 'peak RSS'], lines)
}

export function startUpTable(series) {
  const rows = series?.startUp ?? []
  if (rows.length === 0) return null
  const lines = rows.map((row) => [
    `\`${row.name}\``,
    ...(row.problem === null ? startUpCells(row) : [row.problem, '', '']),
  ])
  return markdownTable(['command', 'median', 'min..max', 'peak RSS'], lines)
}

function startUpCells(row) {
  const times = row.rounds.filter((round) => round !== null).map((round) => round.seconds * 1000)
  const range = `${Math.min(...times).toFixed(0)}..${Math.max(...times).toFixed(0)} ms`
  return [`${median(times).toFixed(0)} ms`, range, peakCell([row])]
}

export function machineLines(documents) {
  const machines = new Set(documents.map(({ machine }) => machineText(machine)))
  const tools = new Set(documents.flatMap((document) => Object.values(document.tools)))
  const versions = [...tools].filter((text) => !text.startsWith('tells no') && text !== 'absent')
  return documents.length === 0 ? null : `${[...machines].join('\n')}; ${versions.join(', ')}.`
}
