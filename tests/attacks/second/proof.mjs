// A second checker of proofs, written from docs/seal-format.md, section 10, whose points it names.
//
//   node proof.mjs FILE --key FILE ...      exit codes as in section 9
import { readFileSync } from 'node:fs'
import {
  OUTCOMES, check, end, given, hash, isSigned, keyIn, nameHash, readSeal, sha256, standing, unknown,
} from './format.mjs'

const proof = JSON.parse(readFileSync(process.argv[2]))
const name = `${proof.chain.account_id}/${proof.chain.region}`
check(/^urn:logferry:schema:proof:1\.[0-9]+$/.test(proof.schema), name, 'no proof, or of another major')
const trusted = new Map(given('--key').map((file) => keyIn(readFileSync(file))))
if (!trusted.size) unknown.push(`${name}: no key was given`)

// 1. Seals that follow each other
const read = (text) => {
  try { return { ...readSeal(Buffer.from(text)), digest: sha256(text) } } catch (error) { check(false, name, error.message) }
}
const isOfChain = ({ chain }) => `${chain.account_id}/${chain.region}` === name
function follow({ seal, signed, signature }) { // whether a trusted key has signed it, which it may replace
  const isBy = trusted.has(seal.key_id) && isSigned(signed, signature, trusted.get(seal.key_id))
  if (isBy && seal.next_key) {
    const [id, key] = keyIn(seal.next_key.pem)
    if (check(id === seal.next_key.id, name, 'shows another key')) trusted.delete(seal.key_id), trusted.set(id, key)
  }
  return isBy
}
proof.rotations.map(read).filter((found) => found?.seal.kind === 'key' && isOfChain(found.seal)).forEach(follow)
const seals = proof.seals.map(read).filter(Boolean)
seals.forEach((found, at) => {
  const { seal } = found, before = seals[at - 1], thing = `seal ${seal.sequence}`
  check(isOfChain(seal), thing, 'of another chain')
  if (before) check(seal.sequence === before.seal.sequence + 1 && seal.previous_sha256 === before.digest, thing, 'does not follow')
  const isBy = follow(found)
  if (given('--key').length) check(isBy, thing, 'not signed by a key that is trusted here')
})

// 2. The head
const last = seals.at(-1)
check(last?.seal.sequence === proof.head.sequence && last?.digest === proof.head.sha256, name, 'ends elsewhere')

// 3. Which seals have a word on the date
const days = seals.filter(({ seal }) => seal.kind === 'day' && seal.sealed.date === proof.date)
const overlaps = (a, b) => a.from_ms < b.to_ms && b.from_ms < a.to_ms
const asked = seals.filter((each) => days.includes(each) ||
  (each.seal.kind === 'later' && days.some((day) => overlaps(day.seal.sealed.covers, each.seal.sealed.covers))))
check(asked.length && asked[0] === seals[0], name, 'begins with a seal of another date')
check(String(asked.map(({ seal }) => seal.sequence)) === String(proof.shown.map((each) => each.sequence)), name, 'leaves a seal out')

// 4. Their leaves, and those beside them
function isAt(place, hashed, digest, path, sealed) {
  let found = hash('\x00', hashed, Buffer.from(digest, 'hex')), i = place, l = sealed.leaf_count - 1
  const rest = path.map((each) => Buffer.from(each, 'hex'))
  if (place < 0 || place > l) return false
  for (; l > 0; i = Math.floor(i / 2), l = Math.floor(l / 2)) {
    if (i % 2) found = hash('\x01', rest.shift() ?? '', found)
    else if (i < l) found = hash('\x01', found, rest.shift() ?? '')
  }
  return !rest.length && found.toString('hex') === sealed.root_sha256
}
const words = new Map()
proof.shown.forEach((shown, at) => {
  const { seal } = asked[at] ?? {}, sealed = seal?.sealed, end = shown.index + shown.leaves.length
  if (!sealed) return
  const own = nameHash(sealed, proof.log_group_name), thing = `seal ${seal.sequence}`
  for (const [beside, place, sign] of [[shown.before, shown.index - 1, -1], [shown.after, end, 1]]) {
    const isThere = sign < 0 ? shown.index > 0 : end < sealed.leaf_count
    if (!check(!!beside === isThere, thing, `leaf ${place} is shown or not`) || !beside) continue
    const hashed = Buffer.from(beside.name_sha256, 'hex')
    check(isAt(place, hashed, beside.statement_sha256, beside.path, sealed), thing, `leaf ${place} is another one`)
    check(Math.sign(Buffer.compare(hashed, own)) === sign, thing, `leaf ${place} is not beside it`)
  }
  // 5. Statements
  let reached = sealed.covers.from_ms, before = { from_ms: -1, to_ms: -1 }
  shown.leaves.forEach(({ statement, path }, n) => {
    check(isAt(shown.index + n, own, sha256(statement), path, sealed), thing, `leaf ${shown.index + n} is another one`)
    const it = JSON.parse(statement), { window, source, log_group } = it
    check(isOfChain({ chain: source }) && log_group.name === proof.log_group_name, thing, 'a statement of something else')
    check((window.from_ms - before.from_ms || window.to_ms - before.to_ms) > 0, thing, 'out of order')
    check(window.from_ms >= sealed.covers.from_ms && window.to_ms <= sealed.covers.to_ms, thing, 'outside of its seal')
    check(seal.kind !== 'day' || window.from_ms <= reached, thing, 'leaves out a time')
    reached = Math.max(reached, window.to_ms), before = window
    if (!days.some((day) => overlaps(day.seal.sealed.covers, window))) return // of another date
    const key = `${window.from_ms} ${window.to_ms}`
    words.set(key, [...words.get(key) ?? [], { ...it, objects: it.objects ?? [] }])
  })
  check(seal.kind !== 'day' || !shown.leaves.length || reached >= sealed.covers.to_ms, thing, 'leaves out a time')
})

// 6. What counts
for (const [window, said] of words) {
  for (const { outcome, objects } of standing(said).filter((it, at) => !at || said.includes(it))) {
    if (!OUTCOMES.includes(outcome)) unknown.push(`${window}: the outcome ${outcome}`)
    console.log(`${outcome}  ${window}`)
    for (const object of objects) console.log(`  ${object.sha256}  ${object.size_bytes}  ${object.key}`)
  }
}
if (!words.size) console.log('absent')
end()
