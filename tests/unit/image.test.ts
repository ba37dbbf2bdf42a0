import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');

const [, image = ''] = read('Dockerfile').split(/^FROM .*\n(?=ENV)/m);
const compose = parse(read('docker-compose.yml'));

test('the image runs as a user that is not root, by number', () => {
  expect(image.match(/^USER .*/gm)).toEqual(['USER 1000:1000']);
  expect(image).not.toMatch(/--chown|chmod/);
});

test('the image starts the service as npm start does, without the tools of development', () => {
  const { start } = JSON.parse(read('package.json')).scripts;
  const [, command = ''] = /^CMD (\[.*\])$/m.exec(image) ?? [];
  const ofTheImage = start.replace('./dev/register.mjs', './src/cli/check-node.mjs');
  expect(`exec ${JSON.parse(command).join(' ')}`).toBe(ofTheImage);
  expect(read('.dockerignore')).not.toMatch(/^!dev/m);
});

test('the image holds no tools of development, and is given no secret while it is built', () => {
  expect(image).not.toMatch(/^RUN/m);
  expect(read('Dockerfile')).toMatch(
    /^RUN npm prune --omit=dev --omit=optional --ignore-scripts$/m,
  );
  expect(read('Dockerfile')).not.toMatch(/^ARG|--mount=type=secret|SECRET|PASSWORD|TOKEN/m);
});

test('only what is named gets into the build, and nothing named .env', () => {
  const [first, ...allowed] = read('.dockerignore').trim().split('\n');
  expect(first).toBe('*');
  expect(allowed.filter((line) => /env|data|git|secret/.test(line))).toEqual([]);
});

test('in the composition the service has a read-only disk and no privileges', () => {
  expect(compose.services.landfall).toMatchObject({
    read_only: true,
    cap_drop: ['ALL'],
    security_opt: ['no-new-privileges:true'],
  });
  for (const needed of ['volumes', 'tmpfs', 'privileged', 'cap_add', 'user']) {
    expect(compose.services.landfall).not.toHaveProperty(needed);
  }
});

test('in the composition every secret comes from the environment, which has to set it', () => {
  const { landfall, postgres } = compose.services;
  expect(landfall.environment.JWT_SECRET).toMatch(/^\$\{JWT_SECRET:\?/);
  expect(landfall.environment.DATABASE_URL).toContain(':${POSTGRES_PASSWORD}@');
  expect(postgres.environment.POSTGRES_PASSWORD).toMatch(/^\$\{POSTGRES_PASSWORD:\?/);
});

test('in the composition nothing is published beyond this machine, and the database nowhere', () => {
  const { landfall, postgres } = compose.services;
  expect(landfall.ports).toEqual(['127.0.0.1:${PORT:-3000}:3000']);
  expect(postgres).not.toHaveProperty('ports');
  expect(postgres.networks).toEqual(['database']);
  expect(compose.networks.database).toEqual({ internal: true });
});

test('in the composition PostgreSQL has the settings that docs/operations.md names', () => {
  const [, rest = ''] = read('docs/operations.md').split('### Settings of PostgreSQL');
  const [section = ''] = rest.split(/^#+ /m);
  const named = [...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
  const { command } = compose.services.postgres;
  expect(named.length).toBeGreaterThan(0);
  expect(command.filter((word: string) => word !== '-c')).toEqual([
    'postgres',
    ...named.map((name) => expect.stringMatching(new RegExp(`^${name}=\\w+$`))),
  ]);
});
