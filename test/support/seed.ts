import fc from 'fast-check'
import { runSeed } from './amount.js'

// Runs before each test file: what fast-check draws depends on the seed of the run, as every other sample does.
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: runSeed })
