// The table, and where it comes from.
import { statfsSync } from 'node:fs'
import os from 'node:os'
import { median, rssMethod } from './measure.js'

// Source: Linux include/uapi/linux/magic.h
const fileSystems = {
  61267: 'ext4',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  16914836: 'tmpfs',
  2035054128: 'overlayfs',
  4076150800: 'f2fs',
  26985: 'nfs',
}

export function machineFacts(directory) {
  const { type } = statfsSync(directory)
  return {
    cores: os.cpus().length,
    processor: os.cpus()[0]?.model ?? 'unknown',
    memory: os.totalmem(),
    kernel: os.release(),
    node: process.version,
    fileSystem: fileSystems[type] ?? `type 0x${type.toString(16)}`,
    rssMethod,
  }
}

export function machineText(facts) {
  const { cores, processor, memory, kernel, node, fileSystem } = facts
  return (
    `${cores} cores (${processor}), ${(memory / 2 ** 30).toFixed(1)} GiB RAM, ${fileSystem}, Linux ${kernel}, ` +
    `Node ${node}; peak RSS from ${facts.rssMethod}`
  )
}

/** Load of the machine, which says how much else ran. */
export function loadText() {
  return os
    .loadavg()
    .map((load) => load.toFixed(1))
    .join(' ')
}

const units = [
  [2 ** 40, 'TiB'],
  [2 ** 30, 'GiB'],
  [2 ** 20, 'MiB'],
  [2 ** 10, 'KiB'],
]

export function sizeText(bytes) {
  const [unit, name] = units.find(([least]) => bytes >= least) ?? [1, 'bytes']
  return `${round(bytes / unit)} ${name}`
}

function round(value) {
  return String(Number(value.toPrecision(3)))
}

/**
 * What the rounds of one command say.
 *
 * @param {({ seconds: number, rss: number | null } | null)[]} rounds  null: it took no part in that one
 * @param {({ seconds: number } | null)[]} ours  the rounds of the first command: ratios are formed inside a round
 */
export function summarize(rounds, ours) {
  const present = rounds.filter((round) => round !== null)
  const peaks = present.map((round) => round.rss).filter((rss) => rss !== null)
  return {
    count: present.length,
    seconds: median(present.map((round) => round.seconds)),
    ...ratiosOf(rounds, ours),
    rss: peaks.length === 0 ? null : Math.max(...peaks),
  }
}

/** Time of one row over time of another: median and range over the rounds in which both ran; null when there is none. */
export function ratiosOf(rounds, others) {
  const ratios = rounds.flatMap((round, i) => (round && others[i] ? [round.seconds / others[i].seconds] : []))
  if (ratios.length === 0) return null
  return { ratio: median(ratios), ratioMin: Math.min(...ratios), ratioMax: Math.max(...ratios) }
}

const headings = ['', 'command', 'n', 'median s', 'time / ours (min..max)', 'peak RSS']

/** @param {{ name: string, rows: object[] }[]} results */
export function tableText(results) {
  const lines = [headings, ...results.flatMap((result) => result.rows.map((row, i) => cellsOf(result, row, i)))]
  const widths = headings.map((_, i) => Math.max(...lines.map((cells) => (cells[i] ?? '').length)))
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  const [head, ...body] = lines.map((cells) => `| ${widths.map((w, i) => (cells[i] ?? '').padEnd(w)).join(' | ')} |`)
  return [head, rule, ...body].join('\n')
}

function cellsOf(result, row, index) {
  const name = row.note === undefined ? row.name : `${row.name} (${row.note})`
  const first = index === 0 ? result.name : ''
  if (row.problem !== null) return [first, name, '', row.problem, '', '']
  const { count, seconds, rss } = row.summary
  const ratios = index === 0 ? '1' : ratioText(row.summary)
  return [
    first,
    name,
    String(count),
    seconds.toFixed(3),
    ratios,
    rss === null ? '' : `${(rss / 2 ** 20).toFixed(0)} MiB`,
  ]
}

export function ratioText({ ratio, ratioMin, ratioMax }) {
  return `${ratio.toFixed(2)} (${ratioMin.toFixed(2)}..${ratioMax.toFixed(2)})`
}

/** What was touched before each run, if anything was. */
export function touchedText(gib) {
  return gib > 0 ? `, ${gib} GiB touched` : ''
}
