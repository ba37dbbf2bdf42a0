// Who may import whom. docs/architecture.md says why.

/** A rule for the files of `from`: they import nothing of the project but `allowed`. */
function onlyImports(folder, ...allowed) {
  return {
    name: `${folder} imports only ${['itself', ...allowed].join(', ')}`,
    severity: 'error',
    from: { path: `^src/${folder}/` },
    to: {
      path: '^(src|dev|tests|bench)/',
      pathNot: [folder, ...allowed].map((one) => `^src/${one}(/|$)`),
    },
  };
}

function onlyIn(what, packages, places) {
  return {
    name: `${what} only in ${places.join(', ')}`,
    severity: 'error',
    from: { path: '^src/', pathNot: places.map((place) => `^src/${place}`) },
    to: { path: packages },
  };
}

export default {
  forbidden: [
    onlyImports('domain'),
    onlyImports('scheduling', 'domain'),
    onlyImports('protocol', 'domain'),
    onlyImports('systems', 'domain', 'protocol'),
    onlyImports('testing', 'domain', 'protocol'),
    onlyImports('ingest', 'domain', 'scheduling', 'audit/audit-store.ts'),
    onlyImports('feed', 'domain', 'protocol', 'scheduling'),
    onlyImports('audit', 'domain', 'protocol', 'ingest'),
    onlyImports('config', 'domain'),
    onlyImports('observability', 'domain'),
    onlyImports('retention', 'domain', 'postgres/retention/retention-store.ts'),
    onlyImports(
      'postgres',
      ...['domain', 'scheduling', 'ingest/ingest-store.ts', 'feed/feed-store.ts'],
      ...['audit/audit-store.ts', 'config/start-error.ts', 'config/database-url.ts', 'generated'],
    ),
    onlyImports(
      'http',
      ...['domain', 'protocol', 'scheduling', 'ingest', 'feed', 'audit', 'observability'],
      ...['config', 'systems/dialects.ts'],
    ),
    {
      name: 'only the registries of src/systems import a system',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/systems/' },
      to: { path: '^src/systems/[^/]+/' },
    },
    {
      name: 'a system imports no other system',
      severity: 'error',
      from: { path: '^src/systems/([^/]+)/' },
      to: { path: '^src/systems/', pathNot: '^src/systems/$1/' },
    },
    onlyIn('fastify', '^node_modules/(fastify|fastify-plugin|@fastify)/', ['app.ts', 'http/']),
    onlyIn('pg and Prisma', '^(node_modules/(pg|pg-[a-z]+|@prisma)/|src/generated/)', [
      'postgres/',
    ]),
    {
      name: 'src imports neither dev, tests nor bench',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(dev|tests|bench|soak|demo)/' },
    },
    {
      name: 'no imports go in a circle',
      severity: 'error',
      from: { pathNot: '^src/generated/' },
      to: { circular: true },
    },
  ],
  options: {
    parser: 'swc',
    // Types count too: files that need each other's types are one file in two.
    tsPreCompilationDeps: true,
    doNotFollow: { path: ['node_modules', '^src/generated/'] },
    enhancedResolveOptions: { extensions: ['.ts', '.mjs', '.js', '.json'] },
  },
};
