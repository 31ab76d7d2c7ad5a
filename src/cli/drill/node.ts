import type { NodeMaker } from '#src/cli/drill/deployment.ts';
import type { createLog } from '#src/cli/log.ts';
import { startServer } from '#src/server.ts';
import { openServices } from '#src/services.ts';

/** Makes nodes in this process, each with a connection of its own to the store, of what `keyturn serve` is made of. */
export function nodesLogging(log: ReturnType<typeof createLog>): NodeMaker {
  return {
    open: openServices,
    serve: (services, surroundings) => startServer(services, { ...surroundings, log }),
  };
}
