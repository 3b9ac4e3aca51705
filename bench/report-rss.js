// Preloaded into umlcow where GNU time is absent: leaves the peak of memory, in KiB, in a file.
import { writeFileSync } from 'node:fs'

process.on('exit', () => writeFileSync(process.env.UMLCOW_BENCH_RSS, String(process.resourceUsage().maxRSS)))
