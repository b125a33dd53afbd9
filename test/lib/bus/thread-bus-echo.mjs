// The thread of thread-bus.test.ts: TypeScript has to be switched on before the first import of it.
import { register } from 'tsx/esm/api'

register()
await import('./thread-bus-echo.ts')
