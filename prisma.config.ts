import { defineConfig } from 'prisma/config';

// Prisma's command line only. The service reads DATABASE_URL through src/config/config.ts.
export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  datasource: { url: process.env.DATABASE_URL ?? '' },
});
