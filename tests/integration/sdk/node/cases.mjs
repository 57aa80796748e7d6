// Runs the cases of one SDK, one after the other, and prints what each saw as one JSON document.

export async function report(cases) {
  const seen = {};
  for (const [name, run] of Object.entries(cases)) {
    seen[name] = await run();
  }
  process.stdout.write(JSON.stringify(seen));
}

export async function failure(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return {
      name: error.constructor.name,
      status: error.status ?? null,
      code: error.code ?? null,
      type: error.type ?? null,
      message: error.message,
      requestId: error.requestID ?? null,
    };
  }
}

export async function failureOfStream(promise) {
  const stream = await promise;
  const chunks = [];
  const failed = await failure(
    (async () => {
      for await (const chunk of stream) chunks.push(chunk);
    })(),
  );
  return { failed, chunks };
}
