import { mergeBySteps } from '../../../../src/verbs/merge/in-place/merge-in-place.js'
import type { InPlaceResult } from '../../../../src/verbs/merge/in-place/options.js'
import { type ProtocolStep, protocol } from '../../../../src/verbs/merge/in-place/step-order.js'
import { createModelClock } from '../../../support/model-clock.js'
import { type CrashOptions, type CrashState, crashStates, prefixesBeforeSyncs } from '../../../support/model-crash.js'
import type { ModelDisk } from '../../../support/model-disk.js'
import { abandon, afterSuccess, finish, letGuestsWrite } from './endings.js'
import { fingerprints } from './fingerprint.js'
import { overlayBytes } from './kernel-rule.js'
import { look, syncedOnes } from './look.js'
import { countedFiles, dyingFiles, type Mishap } from './mishaps.js'
import { makeScene, type Scene } from './scene.js'
import {
  type Arrival,
  type Effort,
  type MergeCase,
  optionsOf,
  type Report,
  type Seen,
  type Story,
  type Wrong,
} from './story.js'

// The crash-state checker of the in-place merge: what has to hold on every disk that a power failure may leave, and
// what has to come of it when the merge is resumed or abandoned there, be it that guests were at work in between.

/** Milliseconds from the crash to what comes then. */
const delays = [0, 1100, 60_000]

/** Merge, cut the power everywhere, and look at what is left. */
export async function checkMerge(which: MergeCase, effort: Effort, wrong: Wrong = {}): Promise<Report> {
  const report: Report = { states: 0, distinct: 0, violations: [] }
  const story = await tellMerge(which, wrong, report)
  await checkStory(story, effort, report)
  return report
}

/** Kill the process before one effect after another, resume at once, and cut the power from there on. */
export async function checkKills(which: MergeCase, effort: Effort, every = 1): Promise<Report> {
  const report: Report = { states: 0, distinct: 0, violations: [] }
  const whole = await tellMerge(which, {}, report)
  for (let effects = 0; whole.from + effects < whole.disk.log.length; effects += every) {
    await checkKill(which, effort, effects, report)
    if (report.violations.length >= enoughOf(effort)) break
  }
  return report
}

async function checkKill(which: MergeCase, effort: Effort, effects: number, report: Report): Promise<void> {
  const scene = await makeScene(which)
  const { disk } = scene
  const from = disk.log.length
  const killed: Mishap = (files) => dyingFiles(files, () => disk.log.length >= from + effects)
  await runMerge(scene, which, { mishap: killed }).catch(() => {}) // What a dead process says nobody hears.
  const at = disk.log.length
  const begun: Story = { ...storyOf(scene, which, protocol), disk, from, torn: true }
  const seen = look(begun, disk)
  // Where nothing was begun it is merged anew, without an undo overlay.
  const story = { ...begun, which: { ...which, backup: which.backup === true && seen.hasJournal } }
  const prefix = `killed before effect ${effects}, resumed`
  const problems = await finish(story, seen)
  report.violations.push(...problems.map((one) => `${which.name}: ${prefix}: ${one}`))
  const { limit, samples } = effort
  await checkStates(
    story,
    effort,
    { prefixes: prefixesBeforeSyncs(disk.log, at), limit, samples },
    report,
    `${prefix}, `,
  )
}

function enoughOf({ enough = 20 }: Effort): number {
  return enough
}

function storyOf(
  scene: Scene,
  which: MergeCase,
  steps: readonly ProtocolStep[],
): Omit<Story, 'disk' | 'from' | 'torn'> {
  const merged = scene.content.get('O')!
  return { scene, which, steps, content: scene.content, merged, final: null, arrivals: [] }
}

async function tellMerge(which: MergeCase, wrong: Wrong, report: Report): Promise<Story> {
  const scene = await makeScene(which)
  wrong.prepare?.(scene)
  const { disk } = scene
  const from = disk.log.length
  const arrivals: Arrival[] = []
  const stop = which.arrivalsEvery === undefined ? () => {} : letArrive(scene, which, arrivals)
  let final: number | null = null
  const counted = countedFiles(disk.files)
  try {
    const result = await runMerge(scene, which, wrong, counted.files)
    final = result.mtime
  } catch (error) {
    report.violations.push(`${which.name}: the merge failed: ${(error as Error).message}`)
  }
  stop()
  const steps = wrong.steps ?? protocol
  const story: Story = { ...storyOf(scene, which, steps), disk, from, final, arrivals, torn: true }
  if (final === null) return story
  const problems = afterSuccess(story, look(story, disk))
  if (counted.open() > 0) problems.push(`${counted.open()} files or locks are left open`)
  // A model disk that crashed stores zeros where a truncate cut something off.
  const isFull = which.afterwards === 'reset' && disk.facts(scene.paths.get('O')!).allocatedSize > 12 * 1024
  if (isFull) problems.push('the room of O was not given back')
  if ([...disk.snapshot().keys()].some((name) => name.includes('.umlcow-'))) problems.push('something is left over')
  report.violations.push(...problems.map((one) => `${which.name}: after the merge: ${one}`))
  await checkReturned(story, report)
  return story
}

function letArrive({ disk, backing, virtualSize }: Scene, which: MergeCase, arrivals: Arrival[]): () => void {
  let effects = 0
  return disk.onEffect((effect) => {
    if (effect.kind === 'put' || effects++ % which.arrivalsEvery! !== 0) return
    const path = `${which.arrivalsSeen ? (which.apart ? '/o' : '/d') : '/hidden'}/N${arrivals.length}`
    const content = disk.readFile(backing)
    arrivals.push({ path, content })
    const mtime = disk.mtimeSeconds(backing)
    const bytes = overlayBytes({ version: 3, virtualSize, mtime, backingPath: backing })
    // Its end is a hole and makes no difference to who reads it.
    disk.putFile(path, bytes.subarray(0, 8192))
  })
}

function runMerge(
  scene: Scene,
  which: MergeCase,
  { steps = protocol, mishap = (files) => files }: Wrong,
  files = scene.disk.files,
): Promise<InPlaceResult> {
  return mergeBySteps(scene.paths.get('O')!, { ...optionsOf(scene, which), files: mishap(files, scene) }, steps)
}

/** Whatever a power failure leaves of a merge that has returned: it is all there. */
async function checkReturned(story: Story, report: Report): Promise<void> {
  const { disk, which } = story
  for (const state of crashStates(disk, { prefixes: [disk.log.length], limit: 500, samples: 100 })) {
    report.states++
    const after = state.boot()
    const problems = afterSuccess(story, look(story, after))
    report.violations.push(...problems.map((one) => `${which.name}: the merge returned; ${state.describe()}: ${one}`))
  }
}

async function checkStory(story: Story, effort: Effort, report: Report): Promise<void> {
  const { log } = story.disk
  const from = story.scene.struckAt ?? story.from
  const before = new Set(prefixesBeforeSyncs(log, from).filter((prefix) => log[prefix]?.kind !== 'put'))
  const others = log.flatMap((_, prefix) => (prefix > from && !before.has(prefix) ? [prefix] : []))
  const { limit, samples, oneIn = 1, seed = 0 } = effort
  const some = (prefixes: readonly number[]) =>
    prefixes.filter((prefix, i) => (i + seed) % oneIn === 0 || prefix === log.length)
  await checkStates(story, effort, { prefixes: some([...before]), limit, samples }, report)
  // Two are nothing and everything, three the kinds alone: all others are random.
  if (effort.between > 0)
    await checkStates(story, effort, { prefixes: some(others), limit: 4, samples: effort.between }, report)
}

async function checkStates(
  story: Story,
  effort: Effort,
  options: CrashOptions,
  report: Report,
  prefix = '',
): Promise<void> {
  const { disk, which } = story
  const { seed = which.seed, anyNames = false } = effort
  const delayOf = (number: number) => delays[number % delays.length]!
  let number = 0
  let distinct = 0
  const isNew = newOnes(report)
  const clock = (at: number) =>
    createModelClock({ start: at + delayOf(number), tickPerCall: story.scene.clock.tickPerCall })
  for (const state of crashStates(disk, { ...options, seed, anyNames, clock })) {
    number++
    if (!isNew(state.boot(), syncedOnes(story, state.prefix).join())) continue
    const isAgain = effort.again > 0 && ++distinct % effort.again === 0
    for (const problem of await checkState(story, state, number, isAgain, report)) {
      report.violations.push(`${which.name}: ${prefix}${state.describe()}: ${problem}`)
    }
    if (report.violations.length >= enoughOf(effort)) return
  }
}

/** Counts states, and tells which are unlike all before: of the same state nothing else can come. */
function newOnes(report: Report): (disk: ModelDisk, circumstances?: string) => boolean {
  const fingerprint = fingerprints()
  const seen = new Set<string>()
  return (disk, circumstances = '') => {
    report.states++
    const print = `${circumstances} ${fingerprint(disk)}`
    if (seen.has(print)) return false
    seen.add(print)
    report.distinct++
    return true
  }
}

async function checkState(
  story: Story,
  state: CrashState,
  number: number,
  isAgain: boolean,
  report: Report,
): Promise<string[]> {
  const seen = look(story, state.boot(), state.prefix)
  const problems = [...seen.problems]
  if (problems.length > 0) return problems
  const resumed = await finish(story, seen)
  problems.push(...resumed.map((one) => `resumed: ${one}`))
  if (isAgain) problems.push(...(await crashAgain(story, seen, report)))

  // Every other one, for it takes long.
  if (number % 2 === 0) {
    const visited = { ...seen, disk: state.boot() }
    const found = await checkVisited(story, visited, number % 4 === 0 ? abandon : finish)
    problems.push(...found)
  }

  if (!seen.hasJournal) return problems
  const given = { ...seen, disk: state.boot() }
  const abandoned = await abandon(story, given)
  problems.push(...abandoned.map((one) => `abandoned: ${one}`))
  if (isAgain) problems.push(...(await abandonAgain(story, given, report)))
  return problems
}

/** Guests write, and then their owner resumes or abandons the merge. */
async function checkVisited(story: Story, seen: Seen, how: typeof finish): Promise<string[]> {
  const after = await letGuestsWrite(story, seen)
  if (after === null) return []
  const run = seen.hasJournal ? how : finish
  const ended = await run(after, look(after, seen.disk, seen.prefix))
  return ended.map((one) => `guests wrote, ${run.name}: ${one}`)
}

/** Crash the resume that a disk has just seen. */
async function crashAgain(story: Story, seen: Seen, report: Report): Promise<string[]> {
  const problems: string[] = []
  const { disk } = seen
  const which = { ...story.which, backup: story.which.backup === true && seen.hasJournal }
  const final = disk.mtimeSeconds(story.scene.backing)
  const inner = { ...story, which, disk, from: 0, content: seen.content, merged: seen.goal, final, torn: false }
  const isNew = newOnes(report)
  for (const state of crashStates(disk, { prefixes: prefixesBeforeSyncs(disk.log), limit: 6, samples: 3 })) {
    const after = state.boot()
    if (!isNew(after)) continue
    const again = look(inner, after, state.prefix)
    const found = again.problems.length > 0 ? again.problems : await finish(inner, again)
    problems.push(...found.map((one) => `resumed, ${state.describe()}, resumed: ${one}`))
  }
  return problems
}

async function abandonAgain(story: Story, seen: Seen, report: Report): Promise<string[]> {
  const problems: string[] = []
  const { disk } = seen
  const inner: Story = { ...story, disk, from: 0, content: seen.content, final: null, torn: false, abandoned: true }
  const isNew = newOnes(report)
  for (const state of crashStates(disk, { prefixes: prefixesBeforeSyncs(disk.log), limit: 6, samples: 3 })) {
    const after = state.boot()
    if (!isNew(after)) continue
    const again = look(inner, after, state.prefix)
    const found = again.problems.length > 0 ? again.problems : await abandon(inner, again)
    problems.push(...found.map((one) => `abandoned, ${state.describe()}, abandoned: ${one}`))
  }
  return problems
}
