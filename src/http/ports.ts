import type { RequestListener } from 'node:http';
import { SetupFault } from '#src/fault.ts';
import { type Listening, type ListenOptions, listen } from '#src/http/listen.ts';
import { readTlsFiles, type TlsPaths, watchTlsFiles } from '#src/http/tls-files.ts';
import { type Seconds, seconds } from '#src/units.ts';

export interface PortOptions extends Omit<ListenOptions, 'tls'> {
  readonly tls: {
    readonly paths: TlsPaths;
    /** Whether clients are asked for certificates: at their own port if there is one, else at the main one. */
    readonly asksForCertificate: boolean;
    readonly mtlsPort: number | null;
    readonly reloadEvery: Seconds;
    readonly onRenewed: () => void;
    /** Told when the files have changed to something that TLS cannot be spoken with; the old ones stay in use. */
    readonly onFault: (fault: Error) => void;
  } | null;
}

/**
 * Serves on every port that the settings name, with TLS whose files may change while it runs.
 * @throws SetupFault
 */
export async function listenOnPorts(
  listener: RequestListener,
  { tls, ...options }: PortOptions,
): Promise<Pick<Listening, 'stop' | 'drain' | 'connections'>> {
  if (tls === null) return listen(listener, { ...options, tls });
  const { paths, asksForCertificate, mtlsPort } = tls;
  const material = readTlsFiles(paths);
  const asksOnMain = asksForCertificate && mtlsPort === null;
  const ports = [await listen(listener, { ...options, tls: { material, asksForCertificate: asksOnMain } })];
  if (mtlsPort !== null) {
    const second = { ...options, port: mtlsPort, tls: { material, asksForCertificate } };
    ports.push(await orStop(ports, listen(listener, second)));
  }
  const watching = watchTlsFiles({
    paths,
    current: material,
    every: tls.reloadEvery,
    onChange: (changed) => {
      for (const port of ports) port.renew(changed);
      tls.onRenewed();
    },
    onFault: tls.onFault,
  });
  return {
    connections: () => ports.reduce((sum, port) => sum + port.connections(), 0),
    drain: async () => {
      await Promise.all(ports.map((port) => port.drain()));
    },
    stop: async (grace) => {
      watching[Symbol.dispose]();
      await Promise.all(ports.map((port) => port.stop(grace)));
    },
  };
}

async function orStop(open: readonly Listening[], opening: Promise<Listening>): Promise<Listening> {
  try {
    return await opening;
  } catch (problem) {
    for (const port of open) await port.stop(seconds(0));
    if (!(problem instanceof SetupFault)) throw problem;
    const hint = problem.hint.replaceAll('KEYTURN_PORT', 'KEYTURN_TLS_MTLS_PORT');
    throw new SetupFault(problem.message, hint, { cause: problem.cause });
  }
}
