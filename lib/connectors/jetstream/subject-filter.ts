/** Subjects with wildcards: `*` stands for one token, `>` at the end for one or more. */

/** Whether some subject matches both. */
export function filtersOverlap(a: string, b: string): boolean {
  const [as, bs] = [a.split('.'), b.split('.')]
  for (let i = 0; ; i++) {
    const [x, y] = [as[i], bs[i]]
    if (x === undefined || y === undefined) return x === y
    if (x === '>' || y === '>') return true
    if (x !== y && x !== '*' && y !== '*') return false
  }
}

/** Whether a message can be published to it: no wildcards, no empty tokens, no blanks. */
export function isLiteralSubject(subject: string): boolean {
  return /^[^\s.*>]+(\.[^\s.*>]+)*$/.test(subject)
}

/** Whether a consumer can be filtered by it. */
export function isSubjectFilter(subject: string): boolean {
  return /^([^\s.*>]+|\*)(\.([^\s.*>]+|\*))*(\.>)?$|^>$/.test(subject)
}
