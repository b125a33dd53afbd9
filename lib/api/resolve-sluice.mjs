/**
 * A module resolution hook: the names `sluice` and `sluice/testing` lead to the installation that runs, and TypeScript
 * is always an ES module. Without the latter a job in a directory without a package.json would be taken for CommonJS,
 * which cannot load Sluice.
 */

let doors = {}

export function initialize(data) {
  doors = data
}

export async function resolve(specifier, context, next) {
  const resolved = await next(doors[specifier] ?? specifier, context)
  return isTypeScript(resolved.url) ? { ...resolved, format: 'module' } : resolved
}

/** `.cts` says that it is CommonJS; what others have installed is theirs to say. */
function isTypeScript(url) {
  return /\.tsx?(\?.*)?$/.test(url) && !url.includes('/node_modules/')
}
