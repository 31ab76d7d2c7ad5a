import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { SetupFault } from '#src/fault.ts';
import type { Seconds } from '#src/units.ts';

/** The files of a server's TLS, in PEM. */
export interface TlsPaths {
  readonly certificate: string;
  readonly key: string;
  /** Who may have signed the certificates of clients; `null` for nobody. */
  readonly clientCa: string | null;
}

/** What the files held when they last went together. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  /** Never the authorities that Node knows by itself. */
  readonly ca: readonly string[];
}

/** RFC 9325 section 4.2, and those of TLS 1.3; FAPI 2.0 Security Profile section 5.2.2 asks for no others. */
const CIPHERS = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
].join(':');

/** How a server speaks TLS with this material: RFC 9325 section 3.1.1. */
export function secureContextOptions({ cert, key, ca }: TlsMaterial): SecureContextOptions {
  return { cert, key, ca: [...ca], minVersion: 'TLSv1.2', ciphers: CIPHERS, honorCipherOrder: true };
}

/**
 * Reads the files.
 * @throws SetupFault naming the file and what is wrong with it.
 */
export function readTlsFiles(paths: TlsPaths): TlsMaterial {
  const cert = readPem(paths.certificate, 'CERTIFICATE');
  const key = readPem(paths.key, 'PRIVATE KEY');
  const authorities = paths.clientCa === null ? '' : readPem(paths.clientCa, 'CERTIFICATE');
  const material = { cert, key, ca: authorities.match(CERTIFICATE) ?? [] };
  try {
    for (const each of [...(cert.match(CERTIFICATE) ?? []), ...material.ca]) new X509Certificate(each);
    createSecureContext(secureContextOptions(material));
  } catch (cause) {
    throw new SetupFault(
      `TLS cannot be spoken with ${Object.values(paths).filter(Boolean).join(', ')}: ${(cause as Error).message}`,
      'the certificate comes first in its file, its chain behind it, and the key is that of the certificate',
      { cause },
    );
  }
  return material;
}

/**
 * Looks at the files again and again, and tells of each change once what they hold goes together: a certificate and
 * its key are seldom replaced at the same instant.
 */
export function watchTlsFiles(options: {
  readonly paths: TlsPaths;
  readonly current: TlsMaterial;
  readonly every: Seconds;
  readonly onChange: (material: TlsMaterial) => void;
  /** Told once for each way of being wrong. */
  readonly onFault: (fault: Error) => void;
}): Disposable {
  let current = JSON.stringify(options.current);
  let told = '';
  const look = () => {
    try {
      const material = readTlsFiles(options.paths);
      told = '';
      const found = JSON.stringify(material);
      if (found === current) return;
      options.onChange(material);
      current = found;
    } catch (fault) {
      if ((fault as Error).message === told) return;
      told = (fault as Error).message;
      options.onFault(fault as Error);
    }
  };
  const timer = setInterval(look, options.every * 1000).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

function readPem(path: string, label: 'CERTIFICATE' | 'PRIVATE KEY'): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new SetupFault(`${path} cannot be read (${code})`, 'see whether the file is there and readable', {
      cause,
    });
  }
  if (!new RegExp(`-----BEGIN ([A-Z]+ )?${label}-----`).test(text)) {
    throw new SetupFault(
      `${path} holds no ${label.toLowerCase()} in PEM`,
      `a line of it is -----BEGIN ${label}-----`,
    );
  }
  return text;
}
