import type { SourceModule } from './source-module.ts';

/** Who may import what. Project files are `/push/route.ts`, packages go by their names. */
interface ImportRule {
  readonly name: string;
  /** The files that the rule speaks of. */
  readonly of: RegExp;
  /** All that they may import … */
  readonly may?: RegExp;
  /** … or all that they may not. */
  readonly never?: RegExp;
  /** Allowed all the same, but by `import type` only. */
  readonly asType?: RegExp;
}

const importRules: readonly ImportRule[] = [
  {
    name: 'errors.ts imports nothing of the project',
    of: /^errors\.ts$/,
    never: /^\//,
  },
  {
    name: 'protocol imports zod, safe-stable-stringify, node, itself and errors.ts',
    of: /^protocol\//,
    may: /^(\/protocol\/.*|\/errors\.ts|zod|safe-stable-stringify|node:.*)$/,
  },
  {
    name: 'kinds import zod, node:util, protocol, errors.ts and themselves',
    of: /^kinds\//,
    may: /^(\/kinds\/.*|\/protocol\/.*|\/errors\.ts|node:util|zod)$/,
  },
  {
    name: 'dialects import protocol, errors.ts, node and themselves',
    of: /^dialects\//,
    may: /^(\/(dialects|protocol)\/.*|\/errors\.ts|node:.*)$/,
  },
  {
    name: 'push imports protocol, dialects, kinds, admission, errors.ts and itself, and types of the store',
    of: /^push\//,
    may: /^(\/(push|protocol|dialects|kinds|admission)\/.*|\/errors\.ts|[^/].*)$/,
    asType: /^\/storage\/(store|audit)\.ts$/,
  },
  {
    name: 'pull imports protocol, kinds, admission, errors.ts and itself, and types of the store',
    of: /^pull\//,
    may: /^(\/(pull|protocol|kinds|admission)\/.*|\/errors\.ts|[^/].*)$/,
    asType: /^\/storage\/store\.ts$/,
  },
  {
    name: 'conflicts import protocol, kinds, push, admission, errors.ts and themselves, and types of the audit',
    of: /^conflicts\//,
    may: /^(\/(conflicts|protocol|kinds|push|admission)\/.*|\/errors\.ts|[^/].*)$/,
    asType: /^\/storage\/audit\.ts$/,
  },
  {
    name: 'history imports protocol, admission, errors.ts and itself, and types of the audit',
    of: /^history\//,
    may: /^(\/(history|protocol|admission)\/.*|\/errors\.ts|[^/].*)$/,
    asType: /^\/storage\/audit\.ts$/,
  },
  {
    name: 'admission imports errors.ts, node and itself',
    of: /^admission\//,
    may: /^(\/admission\/.*|\/errors\.ts|node:.*)$/,
  },
  {
    name: 'fastify stays in app.ts, in plugins and in routes',
    of: /^(?!app\.ts$|plugins\/|(.*\/)?route\.ts$)/,
    never: /^(fastify|fastify-plugin|@fastify\/.*)$/,
  },
  {
    name: 'pg and Prisma stay in storage',
    of: /^(?!storage\/)/,
    never: /^(pg|pg-.*|prisma|@prisma\/.*|\/generated\/.*)$/,
  },
  { name: 'storage imports neither push nor pull', of: /^storage\//, never: /^\/(push|pull)\// },
  {
    name: 'plugins import neither push, pull nor storage',
    of: /^plugins\//,
    never: /^\/(push|pull|storage)\//,
  },
  { name: 'push and pull do not import each other', of: /^push\//, never: /^\/pull\// },
  { name: 'push and pull do not import each other', of: /^pull\//, never: /^\/push\// },
  {
    name: 'only app.ts, server.ts, index.ts and cli compose',
    of: /^(?!(app|server|index)\.ts$|cli\/)/,
    never: /^\/((app|server|index)\.ts$|cli\/|plugins\/|(.*\/)?route\.ts$)/,
  },
];

type Check = (modules: readonly SourceModule[]) => readonly string[];

const maxLines = 250;
/** One closed table, to be read in one place. */
const longByNature = /^errors\.ts$/;

function checkEach(isWrong: (module: SourceModule) => boolean, what: string): Check {
  return (modules) => modules.filter(isWrong).map(({ path }) => `${path} ${what}`);
}

/** Every rule by its name; a check returns what breaks it, one line each. */
export const rules: ReadonlyMap<string, Check> = new Map<string, Check>([
  ...[...Map.groupBy(importRules, ({ name }) => name)].map(
    ([name, parts]) =>
      [name, (modules: readonly SourceModule[]) => findForbidden(modules, parts)] as const,
  ),
  ['SQL stands in storage/sql', checkEach(hasStraySql, 'holds SQL')],
  [
    'only src/index.ts re-exports',
    checkEach(({ path, reExports }) => reExports && path !== 'index.ts', 're-exports'),
  ],
  [
    'only server.ts and cli read the environment',
    checkEach(
      ({ path, readsEnvironment }) => readsEnvironment && !/^(server\.ts$|cli\/)/.test(path),
      'reads process.env',
    ),
  ],
  [
    'only kinds-file.ts imports a module that it does not name',
    checkEach(
      ({ path, importsUnnamed }) => importsUnnamed && path !== 'kinds-file.ts',
      'imports what only running it would tell',
    ),
  ],
  [
    `no file is longer than ${maxLines} lines`,
    checkEach(
      ({ path, lines }) => lines > maxLines && !longByNature.test(path),
      `is longer than ${maxLines} lines`,
    ),
  ],
  ['no imports go in a circle', findCycles],
]);

function findForbidden(
  modules: readonly SourceModule[],
  parts: readonly ImportRule[],
): readonly string[] {
  return parts.flatMap(({ of, may, never, asType }) =>
    modules
      .filter(({ path }) => of.test(path))
      .flatMap(({ path, imports }) =>
        imports
          .filter(({ target, typeOnly }) => !(typeOnly && asType?.test(target)))
          .filter(({ target }) => (may ? !may.test(target) : never?.test(target)))
          .map(({ target }) => `${path} imports ${target}`),
      ),
  );
}

const statement =
  /^\s*(SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|CREATE|ALTER|DROP|TRUNCATE|LOCK|SET)\s/;
const loweredStatement =
  /^\s*(select\s.*\sfrom|insert\s+into|update\s+\S+\s+set|delete\s+from|with\s+\S+\s+as)\s/is;
const transaction =
  /^\s*(BEGIN|START TRANSACTION|COMMIT|ROLLBACK|SAVEPOINT)\s*(;|$|(TO|TRANSACTION|WORK|ISOLATION|READ|PREPARED)\b)/;
const bareTransactionWord = /^(BEGIN|COMMIT|ROLLBACK)$/;

function hasStraySql({ path, texts }: SourceModule): boolean {
  // Migrations and the embedded launcher speak to databases that have no schema yet.
  if (/^storage\/(sql\/|migrate\.ts$|embedded[./])/.test(path)) return false;
  const frames = path === 'storage/ingest-transaction.ts' ? bareTransactionWord : undefined;
  return texts.some(
    (text) =>
      !frames?.test(text) &&
      [statement, loweredStatement, transaction].some((pattern) => pattern.test(text)),
  );
}

/** Types count too: files that need each other's types are one file in two. */
function findCycles(modules: readonly SourceModule[]): readonly string[] {
  const importsOf = new Map(modules.map(({ path, imports }) => [`/${path}`, imports]));
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
      return;
    }
    if (done.has(path)) return;
    for (const { target } of importsOf.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of importsOf.keys()) visit(path, []);
  return cycles;
}
