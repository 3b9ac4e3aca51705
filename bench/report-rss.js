// Preloaded into umlcow where GNU time is absent: leaves the peak of memory, in KiB, in a file.
import { readFileSync, writeFileSync } from 'node:fs'

/** VmHWM where there is a /proc: maxRSS counts the process that this one was forked from, too. */
function peakKib() {
  try {
    const line = readFileSync('/proc/self/status', 'latin1')
      .split('\n')
      .find((one) => one.startsWith('VmHWM:'))
    if (line !== undefined) return Number.parseInt(line.slice('VmHWM:'.length), 10)
  } catch {
    // No /proc.
  }
  return process.resourceUsage().maxRSS
}

process.on('exit', () => writeFileSync(process.env.UMLCOW_BENCH_RSS, String(peakKib())))
