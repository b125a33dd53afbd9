/**
 * Enough of NATS's decentralised authentication to log in with a creds file: an operator, an account and a user,
 * each a JWT signed by the one above it (nats-io/jwt, version 2).
 */
import { nkeys } from '@nats-io/nats-core'

type KeyPair = ReturnType<typeof nkeys.createUser>

export interface JwtSetup {
  /** For the server's configuration file. */
  readonly config: string
  /** The contents of the user's creds file. */
  readonly creds: string
}

export function createJwtSetup(): JwtSetup {
  const [operator, account, user] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createUser()]
  const unlimited = { subs: -1, data: -1, payload: -1 }
  const accountLimits = { ...unlimited, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 }
  const operatorJwt = sign(operator, operator, 'operator', {})
  const accountJwt = sign(operator, account, 'account', { limits: accountLimits })
  const userJwt = sign(account, user, 'user', { pub: {}, sub: {}, ...unlimited })
  const seed = new TextDecoder().decode(user.getSeed())
  return {
    config: `operator: ${operatorJwt}\nresolver: MEMORY\nresolver_preload: { ${account.getPublicKey()}: ${accountJwt} }`,
    creds: [
      '-----BEGIN NATS USER JWT-----',
      userJwt,
      '------END NATS USER JWT------',
      '',
      '-----BEGIN USER NKEY SEED-----',
      seed,
      '------END USER NKEY SEED------',
      '',
    ].join('\n'),
  }
}

function sign(issuer: KeyPair, subject: KeyPair, type: string, claims: object): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const header = encode({ typ: 'JWT', alg: 'ed25519-nkey' })
  const body = encode({
    jti: `test-${type}`,
    iat: 1_700_000_000,
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name: `test-${type}`,
    nats: { ...claims, type, version: 2 },
  })
  const signature = issuer.sign(new TextEncoder().encode(`${header}.${body}`))
  return `${header}.${body}.${Buffer.from(signature).toString('base64url')}`
}
