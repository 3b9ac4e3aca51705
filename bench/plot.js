// Draw the series: node bench/plot.js SERIES.json [DIRECTORY].  Both axes are logarithmic.
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { main } from './home.js'
import { sizeText } from './report.js'

const usage = `usage: node bench/plot.js SERIES.json [DIRECTORY]
  makes performance-size.svg and performance-allocated.svg in DIRECTORY, default docs/
`

const docs = fileURLToPath(new URL('../docs', import.meta.url))
const width = 800
const height = 480
const frame = { left: 70, top: 50, right: 550, bottom: 420 }

/** What is drawn, in this order: colours that can be told from each other on white and on black. */
const lines = [
  { id: 'new-file:ours', name: 'umlcow merge', colour: '#d55e00', dash: '' },
  { id: 'new-file:uml_moo', name: 'uml_moo', colour: '#0a8f6a', dash: '' },
  { id: 'new-file:qemu-convert', name: 'qemu-img convert', colour: '#3b82c4', dash: '' },
  { id: 'new-file:cp-auto', name: 'cp of the result', colour: '#8a8a8a', dash: '' },
  { id: 'in-place:ours', name: 'umlcow merge -d', colour: '#d55e00', dash: '6 4' },
  { id: 'in-place:uml_moo', name: 'uml_moo -d', colour: '#0a8f6a', dash: '6 4' },
  { id: 'in-place:floor', name: 'floor.c', colour: '#8a8a8a', dash: '6 4' },
  { id: 'in-place:info', name: 'umlcow info', colour: '#b5559b', dash: '2 3' },
]

function readOptions() {
  const { positionals } = parseArgs({ allowPositionals: true })
  const [file, directory = docs, ...rest] = positionals
  if (file === undefined || rest.length > 0) throw new Error('expected a file made by bench/series.js --json')
  const series = JSON.parse(readFileSync(file, 'utf8'))
  if (series.kind !== 'series') throw new Error(`${file}: expected what bench/series.js --json writes`)
  return { series, directory: path.resolve(directory) }
}

/** The points of each line that has any: x in bytes, y in seconds. */
function linesOf(points, key) {
  const found = lines.map((line) => ({
    ...line,
    points: points.flatMap((point) => {
      const row = point.rows.find((one) => one.id === line.id)
      return row?.summary ? [{ x: point[key], y: row.summary.seconds }] : []
    }),
  }))
  return found.filter((line) => line.points.length > 0)
}

/** Powers of a base that enclose the values. */
function ticksOf(values, base) {
  const first = Math.floor(Math.log(Math.min(...values)) / Math.log(base) + 1e-9)
  const last = Math.max(first + 1, Math.ceil(Math.log(Math.max(...values)) / Math.log(base) - 1e-9))
  return Array.from({ length: last - first + 1 }, (_, i) => base ** (first + i))
}

/** From a value to its place between two coordinates. */
function scaleOf(ticks, from, to) {
  const [low, high] = [Math.log(ticks[0]), Math.log(ticks.at(-1))]
  return (value) => Number((from + ((Math.log(value) - low) / (high - low)) * (to - from)).toFixed(1))
}

function axes(xTicks, yTicks, x, y) {
  const { left, top, right, bottom } = frame
  const down = xTicks.map((tick) => grid(x(tick), top, x(tick), bottom) + label(x(tick), bottom + 18, sizeText(tick)))
  const across = yTicks.map(
    (tick) => grid(left, y(tick), right, y(tick)) + label(left - 8, y(tick) + 4, `${tick} s`, 'end'),
  )
  return [...down, ...across]
}

function grid(x1, y1, x2, y2) {
  return `<line class="grid" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"/>`
}

function label(x, y, text, anchor = 'middle') {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}">${text}</text>`
}

function drawLine({ points, colour, dash }, x, y) {
  const places = points.map((point) => [x(point.x), y(point.y)])
  const line = places.map((place) => place.join(',')).join(' ')
  const dots = places.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3.5" fill="${colour}"/>`).join('')
  return `<polyline points="${line}" fill="none" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash}"/>${dots}`
}

function drawLegend({ name, colour, dash }, index) {
  const y = frame.top + 14 + index * 24
  const from = frame.right + 20
  const sample = `<line x1="${from}" y1="${y}" x2="${from + 34}" y2="${y}" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash}"/>`
  return `${sample}<circle cx="${from + 17}" cy="${y}" r="3.5" fill="${colour}"/>${label(from + 44, y + 4, name, 'start')}`
}

const style = `
  svg { color-scheme: light dark }
  rect { fill: #ffffff }
  text { font: 13px sans-serif; fill: #222222 }
  .grid { stroke: #dddddd }
  @media (prefers-color-scheme: dark) { rect { fill: #14171c } text { fill: #dddddd } .grid { stroke: #3a3f47 } }
`

/** @param {{ virtualSize: number, overlayData: number, rows: object[] }[]} points */
function drawing(title, below, points, key, base) {
  const drawn = linesOf(points, key)
  const all = drawn.flatMap((line) => line.points)
  const xTicks = ticksOf(
    all.map((point) => point.x),
    base,
  )
  const yTicks = ticksOf(
    all.map((point) => point.y),
    10,
  ).map((tick) => Number(tick.toPrecision(1)))
  const x = scaleOf(xTicks, frame.left, frame.right)
  const y = scaleOf(yTicks, frame.bottom, frame.top)
  const body = [
    `<style>${style}</style>`,
    `<rect width="${width}" height="${height}"/>`,
    label(frame.left, 28, title, 'start'),
    ...axes(xTicks, yTicks, x, y),
    label((frame.left + frame.right) / 2, frame.bottom + 44, below),
    ...drawn.map((line) => drawLine(line, x, y)),
    ...drawn.map(drawLegend),
  ]
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">`
  return `${head}\n${body.join('\n')}\n</svg>\n`
}

function plot({ series, directory }) {
  const write = (name, text) => {
    writeFileSync(path.join(directory, name), text)
    console.log(name)
  }
  const { size, allocated } = series
  if (size.length > 0) {
    const title = `Time to merge ${sizeText(size[0].overlayData)} of 4 KiB writes`
    write('performance-size.svg', drawing(title, 'size of the image', size, 'virtualSize', 4))
  }
  if (allocated.length > 0) {
    const title = `Time to merge 4 KiB writes into an image of ${sizeText(allocated[0].virtualSize)}`
    write('performance-allocated.svg', drawing(title, 'allocated in the overlay', allocated, 'overlayData', 4))
  }
}

await main('plot', usage, readOptions, plot)
