/** A module resolution hook: the names of Sluice's front doors lead to the installation that runs. */

let doors = {}

export function initialize(data) {
  doors = data
}

export function resolve(specifier, context, next) {
  const url = Object.hasOwn(doors, specifier) ? doors[specifier] : null
  return url === null ? next(specifier, context) : { url, shortCircuit: true }
}
