namespace VmRepl.Agent.Logging;

/// <summary>What <see cref="SeqSink"/> is told. Checked once, by <see cref="Validate"/>.</summary>
internal sealed record SeqSinkOptions
{
    public const int DefaultBatchPostingLimit = 1000;
    public const int DefaultQueueSizeLimit = 100_000;
    public const long DefaultEventBodyLimitBytes = 256 * 1024;

    /// <summary>Also the most of one request, below Seq's own default limit of 10 MiB.</summary>
    public const long MaxEventBodyLimitBytes = 4 * 1024 * 1024;

    public static readonly TimeSpan DefaultPeriod = TimeSpan.FromSeconds(2);

    /// <summary>Base address, http or https.</summary>
    public required string ServerUrl { get; init; }

    public string? ApiKey { get; init; }

    /// <summary>Events in one request, from 1.</summary>
    public int BatchPostingLimit { get; init; } = DefaultBatchPostingLimit;

    /// <summary>How long an event may wait for others to go with it; more than zero.</summary>
    public TimeSpan Period { get; init; } = DefaultPeriod;

    /// <summary>Bytes of one event, from 1 KiB to 4 MiB.</summary>
    public long EventBodyLimitBytes { get; init; } = DefaultEventBodyLimitBytes;

    /// <summary>Events kept while they cannot be sent, from 1.</summary>
    public int QueueSizeLimit { get; init; } = DefaultQueueSizeLimit;

    /// <summary>Bytes kept while they cannot be sent: a hundred thousand long events must not take the host's memory.</summary>
    public long QueueSizeLimitBytes { get; init; } = 32 * 1024 * 1024;

    /// <summary>The first wait after a failure; each further one is twice as long.</summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest wait between two attempts.</summary>
    public TimeSpan MaxRetryDelay { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How long one request may take.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long disposing may take to send what is left.</summary>
    public TimeSpan FlushDeadline { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Where batches go: <c>/ingest/clef</c> below <see cref="ServerUrl"/>.</summary>
    public Uri IngestUri => new($"{ServerUrl.TrimEnd('/')}/ingest/clef", UriKind.Absolute);

    /// <summary>Scheme, host and port, for messages: an address may hold a password.</summary>
    public string Server => IngestUri.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped);

    /// <exception cref="ArgumentException">A value is out of range; the message names it by its name in the configuration.</exception>
    public void Validate()
    {
        if (!Uri.TryCreate(ServerUrl, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
            throw new ArgumentException("serverUrl is not an http or https address");
        if (BatchPostingLimit < 1) throw new ArgumentException($"batchPostingLimit {BatchPostingLimit} must be at least 1");
        if (QueueSizeLimit < 1) throw new ArgumentException($"queueSizeLimit {QueueSizeLimit} must be at least 1");
        if (Period <= TimeSpan.Zero) throw new ArgumentException($"period {Period} must be more than zero");
        if (EventBodyLimitBytes is < 1024 or > MaxEventBodyLimitBytes)
            throw new ArgumentException($"eventBodyLimitBytes {EventBodyLimitBytes} must be from 1024 to {MaxEventBodyLimitBytes}");
        if (ApiKey is not null && ApiKey.Any(c => c is < '!' or > '~')) throw new ArgumentException("apiKey holds a character that a header cannot carry");
    }
}
