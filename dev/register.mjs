// Runs before the service or a command, by `node --import` in the npm scripts. The image runs without it.
// The check comes first: an older Node cannot read TypeScript.
await import('../src/cli/check-node.mjs');
const { registerDevelopmentTools } = await import('../src/service/development.ts');
const { developmentTools } = await import('./development-tools.ts');
registerDevelopmentTools(developmentTools);
