// Runs the built command in this process, then writes what it cost to file descriptor 3.
import { readFileSync, writeSync } from 'node:fs'
import { main } from '../../dist/command/main.js'

/** The peak of this program alone: maxRSS would count the process that it was forked from. */
function peakBytes() {
  for (const line of readFileSync('/proc/self/status', 'latin1').split('\n')) {
    if (line.startsWith('VmHWM:')) return Number.parseInt(line.slice('VmHWM:'.length), 10) * 1024
  }
  throw new Error('no VmHWM in /proc/self/status')
}

const status = await main(process.argv)
const { userCPUTime, systemCPUTime } = process.resourceUsage()
writeSync(3, JSON.stringify({ cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, peakBytes: peakBytes() }))
process.exitCode = status
