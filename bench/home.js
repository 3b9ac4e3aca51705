// The temporary directory of a run, gone at its end and after a signal.
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import path from 'node:path'
import { stopRunning } from './measure.js'

const signals = { SIGINT: 130, SIGTERM: 143 }

/** Run something in a new directory. @returns what it returns */
export async function withHome(directory, work) {
  const home = realpathSync(mkdtempSync(path.join(directory, 'umlcow-bench-')))
  const cleanUp = () => rmSync(home, { recursive: true, force: true, maxRetries: 3 })
  for (const [signal, status] of Object.entries(signals)) {
    process.on(signal, () => {
      stopRunning()
      cleanUp()
      process.exit(status)
    })
  }
  try {
    return await work(home)
  } finally {
    cleanUp()
  }
}

/** Read the options and do the work. Wrong options: a message, the usage, and exit status 64. */
export async function main(name, usage, readOptions, work) {
  let options
  try {
    options = readOptions()
  } catch (error) {
    process.stderr.write(`${name}: ${error.message}\n${usage}`)
    process.exitCode = 64
    return
  }
  process.exitCode = (await work(options)) ?? 0
}

/** A number, or a fraction as 1/8. */
export function numberOption(name, text, least) {
  const [numerator, divisor = '1', ...rest] = text.split('/')
  const value = Number(numerator) / Number(divisor)
  const isNumber = numerator.trim() !== '' && divisor.trim() !== '' && rest.length === 0 && Number.isFinite(value)
  if (!isNumber || value < least) throw new Error(`--${name} ${text}: no such number`)
  return value
}

export function wholeOption(name, text, least) {
  return Math.floor(numberOption(name, text, least))
}
