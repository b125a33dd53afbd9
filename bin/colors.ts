/** The few colours there are. (Node has `util.styleText`, but not in every version that Sluice runs on.) */

const CODES = { red: 31, green: 32, yellow: 33, cyan: 36, dim: 2 } as const

export function paint(color: keyof typeof CODES, text: string, hasColor: boolean): string {
  return hasColor ? `\u001b[${CODES[color]}m${text}\u001b[0m` : text
}
