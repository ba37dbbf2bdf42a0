import { bundledKinds } from '../../src/systems/bundled.ts';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { createRegistry } from '../../src/domain/kinds/registry.ts';
import { welcome } from '../../dev/welcome.ts';

const secret = 'a secret of thirty-two characters';
const registry = createRegistry(bundledKinds);
const printed = (environment: NodeJS.ProcessEnv) =>
  welcome('http://127.0.0.1:3000', loadConfig(environment, () => secret).auth, registry);
const token = /\beyJ[\w-]+\.[\w-]+\.[\w-]+/;

test('with a generated secret, the text has a token and two commands', () => {
  const text = printed({});
  expect(text).toMatch(token);
  expect(text.match(/^curl /gm)).toHaveLength(2);
});

test.each<[what: string, environment: NodeJS.ProcessEnv]>([
  ['a configured secret', { JWT_SECRET: secret }],
  [
    'a configured secret and database',
    { JWT_SECRET: secret, DATABASE_URL: 'postgresql://db/landfall' },
  ],
  [
    'the keys of an issuer',
    { JWKS_URL: 'https://issuer.test/keys', JWT_ISSUER: 'i', JWT_AUDIENCE: 'a' },
  ],
])('with %s, the text has no token and says where to get one', (_what, environment) => {
  const text = printed(environment);
  expect(text).not.toMatch(token);
  expect(text).not.toContain('curl');
  expect(text).toMatch(/^Token {5}(npm run --silent token -- |from the issuer at JWKS_URL)/m);
  expect(text).toContain('http://127.0.0.1:3000/docs');
});
