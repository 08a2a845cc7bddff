// What verifiers of archives and of proofs have in common, written from docs/seal-format.md.
//
// It has no packages, and nothing of logferry.
import { constants, createHash, createPublicKey, verify } from 'node:crypto'

const options = process.argv.slice(3)
export const given = (name) => options.filter((_, at) => options[at - 1] === name)
export const wrong = [], unknown = []
export const check = (holds, thing, what) => holds || (wrong.push(`${thing}: ${what}`), false)
export const hash = (...parts) => parts.reduce((all, each) => all.update(each), createHash('sha256')).digest()
export const sha256 = (data) => hash(data).toString('hex')
export const groupOf = (folder) => folder.startsWith('!/') ? folder.slice(2) : `/${folder}`
export const nameHash = (sealed, name) => hash(Buffer.from(sealed.name_salt, 'hex'), name)

// 2. A seal's envelope
export const TYPE = 'application/vnd.logferry.day-seal.v1+json'
export function readSeal(stored) {
  const { payload: p, signatures: [{ keyid, sig }] } = JSON.parse(stored)
  const payload = Buffer.from(p, 'base64'), signature = Buffer.from(sig, 'base64')
  const again = `{"payloadType": "${TYPE}", "payload": "${payload.toString('base64')}", ` +
    `"signatures": [{"keyid": "${keyid}", "sig": "${signature.toString('base64')}"}]}`
  const seal = JSON.parse(payload)
  if (!stored.equals(Buffer.from(again)) || stored.length > 2 ** 20 || keyid !== seal.key_id ||
    !seal[seal.kind === 'key' ? 'next_key' : 'sealed'] || (seal.sealed && seal.next_key) ||
    !['day', 'later', 'key'].includes(seal.kind)) throw new Error('another spelling, or no seal')
  const signed = Buffer.concat([Buffer.from(`DSSEv1 ${TYPE.length} ${TYPE} ${payload.length} `), payload])
  return { seal, signed, signature }
}
export function keyIn(pem) {
  if (String(pem).split('-----BEGIN PUBLIC KEY-----').length > 2) throw new Error('more than one key')
  const key = createPublicKey(pem), { namedCurve, modulusLength } = key.asymmetricKeyDetails
  if (namedCurve !== 'prime256v1' && !(modulusLength >= 2048)) throw new Error('a key of another kind')
  return [sha256(key.export({ type: 'spki', format: 'der' })), key]
}
export const isSigned = (signed, signature, key) => (key.asymmetricKeyType === 'ec' ? [{ key }] : [
  { key, padding: constants.RSA_PKCS1_PADDING },
  { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 },
]).some((form) => verify('sha256', signed, form, signature))

// 5. Statements
export const OUTCOMES = ['archived', 'skipped', 'excluded', 'refused', 'failed', 'waived', 'open', 'contradicted', 'disposed']

// 6. What counts of a window
const identity = (it) => it.objects.map((o) => `${o.key} ${o.size_bytes} ${o.sha256}`).sort().join('\n')
export const TRIES = ['skipped', 'excluded', 'refused', 'failed', 'open'] // for which nobody answers
const eventsOf = (it) => it.objects.reduce((all, object) => all + object.events, 0)
const lastOf = (words, outcomes) => words.findLastIndex((it) => outcomes.includes(it.outcome))
export function standing(words) { // null where it is not known
  const known = words.filter(Boolean), at = known.findLastIndex((it) => !TRIES.includes(it.outcome))
  if (!words.at(-1) || at < 0) return words.at(-1) && [words.at(-1)]
  let counts = known[at], before = known.slice(0, at)
  if (counts.outcome === 'disposed') {
    const place = lastOf(before, ['archived'])
    const isLawful = place < 0 ? words.includes(null) : identity(before[place]) === identity(counts)
    if (check(isLawful, counts.log_group.name, 'other objects were sealed than disposed of') || place < 0) return [counts]
    counts = before[place], before = before.slice(0, place)
  }
  const since = counts.outcome === 'archived' ? before.slice(lastOf(before, ['disposed', 'waived']) + 1) : []
  const also = since.filter((it) => it.outcome === 'archived' && eventsOf(it) > eventsOf(counts))
  if (counts.outcome === 'waived' && before.length) standing(before) // what was wrong then is wrong still
  const isOfObjects = (it) => ['archived', 'disposed'].includes(it.outcome)
  const seen = new Set([counts, ...also].filter(isOfObjects).flatMap((it) => it.objects.map((o) => o.key))), mayGo = []
  for (const it of known.slice(0, at).filter(isOfObjects).reverse()) { // may be gone, and be no others
    const objects = it.objects.filter((o) => !seen.has(o.key))
    if (objects.length) mayGo.push({ ...it, objects, outcome: 'disposed' })
    objects.forEach((o) => seen.add(o.key))
  }
  const isSilent = counts.outcome === 'waived' && mayGo.length
  return [isSilent ? { ...counts, exports: [] } : counts, ...also, ...mayGo]
}

// 9. The verdict
export function end() {
  for (const each of wrong) console.log(`invalid    ${each}`)
  for (const each of unknown) console.log(`not whole  ${each}`)
  process.exit(wrong.length ? 1 : unknown.length ? 3 : 0)
}
