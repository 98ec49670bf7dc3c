using System.Globalization;
using System.Text;
using Polly;
using Polly.Retry;
using Serilog.Core;
using Serilog.Debugging;
using Serilog.Events;
using Serilog.Parsing;

namespace VmRepl.Agent.Logging;

/// <summary>
/// Sends events to Seq in batches, in the order they came. One task sends; whoever logs only puts bytes into a bounded queue.
/// States: <i>at hand</i>, a batch goes out each <see cref="SeqSinkOptions.Period"/> or when it is full; <i>away</i>, one batch is tried again and again,
/// with waits that grow, while the queue fills and then drops; <i>stopping</i>, each batch gets one attempt until the deadline.
/// A request that was cut off may have arrived: Seq then has its events twice, never not at all.
/// </summary>
internal sealed class SeqSink : ILogEventSink, IDisposable, IAsyncDisposable
{
    private static readonly MessageTemplate DroppedTemplate = new MessageTemplateParser().Parse("{Dropped} log events were dropped here: Seq was away or slower than the log");
    private static readonly MessageTemplate TooLongTemplate = new MessageTemplateParser().Parse("An event of {LengthBytes} bytes is longer than the limit of {LimitBytes} and was left out; it began {Beginning}");

    private readonly SeqSinkOptions options;
    private readonly SeqQueue queue;
    private readonly SeqClient client;
    private readonly ClefFormatter formatter = new();
    private readonly SemaphoreSlim batchIsFull = new(0, 1);
    private readonly CancellationTokenSource stopping = new();
    private readonly CancellationTokenSource deadline = new();
    private readonly ResiliencePipeline<SeqAnswer> retrying;
    private readonly Task sending;
    private int isDisposed;
    private bool isAway;

    public SeqSink(SeqSinkOptions options, HttpMessageHandler? handler = null)
    {
        options.Validate();
        this.options = options;
        queue = new SeqQueue(options.QueueSizeLimit, options.QueueSizeLimitBytes);
        client = new SeqClient(options, handler);
        retrying = new ResiliencePipelineBuilder<SeqAnswer>().AddRetry(new RetryStrategyOptions<SeqAnswer>
        {
            ShouldHandle = static arguments => ValueTask.FromResult(arguments.Outcome.Result.Outcome == SeqOutcome.Away),
            BackoffType = DelayBackoffType.Exponential,
            UseJitter = true,
            Delay = options.RetryDelay,
            MaxDelay = options.MaxRetryDelay,
            MaxRetryAttempts = int.MaxValue,
            OnRetry = arguments =>
            {
                ReportAway(arguments.Outcome.Result.Cause);
                return default;
            },
        }).Build();
        sending = Task.Run(SendAsync);
    }

    /// <summary>Events that wait to be sent.</summary>
    public int Waiting => queue.Count;

    public void Emit(LogEvent logEvent)
    {
        if (queue.DropIfFull()) return;
        if (!queue.TryAdd(Formatted(logEvent)) || queue.Count < options.BatchPostingLimit || batchIsFull.CurrentCount > 0) return;
        try
        {
            batchIsFull.Release();
        }
        catch (SemaphoreFullException)
        {
            // Another thread has said so between the look and the call.
        }
    }

    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref isDisposed, 1) != 0) return;
        queue.Close();
        deadline.CancelAfter(options.FlushDeadline);
        await stopping.CancelAsync().ConfigureAwait(false);
        await sending.ConfigureAwait(false);
        client.Dispose();
        stopping.Dispose();
        deadline.Dispose();
    }

    private async Task SendAsync()
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await batchIsFull.WaitAsync(options.Period, stopping.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                // Stopping: what is left goes out below.
            }

            while (!stopping.IsCancellationRequested && NextBatch() is { Count: > 0 } batch)
                if (!await SendUntilTakenAsync(batch).ConfigureAwait(false)) return;
        }

        while (NextBatch() is { Count: > 0 } batch)
            if (!await SendOnceAsync(batch).ConfigureAwait(false)) return;
    }

    private List<byte[]> NextBatch()
    {
        var batch = queue.Take(options.BatchPostingLimit, SeqSinkOptions.MaxEventBodyLimitBytes);
        // The gap is marked where it is: after what was kept and before what came later.
        if (queue.TakeDropped() is > 0 and var dropped) batch.Add(Formatted(Event(DateTimeOffset.UtcNow, LogEventLevel.Warning, DroppedTemplate, ("Dropped", dropped))));
        return batch;
    }

    /// <summary>False if the sink was stopped and the last attempt failed too.</summary>
    private async Task<bool> SendUntilTakenAsync(List<byte[]> batch)
    {
        try
        {
            // Stopping ends a wait between two attempts, not an attempt: only the deadline does that.
            var answer = await retrying.ExecuteAsync(async _ => await client.PostAsync(batch, deadline.Token).ConfigureAwait(false), stopping.Token).ConfigureAwait(false);
            return await FinishAsync(batch, answer).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return await SendOnceAsync(batch).ConfigureAwait(false);
        }
    }

    private async Task<bool> SendOnceAsync(List<byte[]> batch)
    {
        var answer = new SeqAnswer(SeqOutcome.Away, $"no answer within the {options.FlushDeadline.TotalSeconds:0.#} s given for it");
        try
        {
            if (!deadline.IsCancellationRequested) answer = await client.PostAsync(batch, deadline.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The deadline: the answer above says so.
        }

        return await FinishAsync(batch, answer).ConfigureAwait(false);
    }

    private async Task<bool> FinishAsync(List<byte[]> batch, SeqAnswer answer)
    {
        switch (answer.Outcome)
        {
            case SeqOutcome.Taken:
                if (isAway) SelfLog.WriteLine("Seq at {0} takes events again; {1} wait to be sent", options.Server, queue.Count);
                isAway = false;
                return true;

            // One event that Seq cannot read must not cost the others.
            case SeqOutcome.Refused when batch.Count > 1:
                var half = batch.Count / 2;
                return await SendUntilTakenAsync(batch[..half]).ConfigureAwait(false) && await SendUntilTakenAsync(batch[half..]).ConfigureAwait(false);

            case SeqOutcome.Refused:
                SelfLog.WriteLine("Seq at {0} refuses an event of {1} bytes ({2}); it is left out", options.Server, batch[0].Length, answer.Cause);
                return true;

            default:
                SelfLog.WriteLine("Seq at {0} did not take the last {1} events ({2}); they are lost", options.Server, batch.Count + queue.Count, answer.Cause);
                return false;
        }
    }

    private void ReportAway(string cause)
    {
        if (isAway) return;
        isAway = true;
        SelfLog.WriteLine("Seq at {0} takes no events ({1}); up to {2} are kept until it does, later ones are dropped and counted", options.Server, cause, options.QueueSizeLimit);
    }

    private byte[] Formatted(LogEvent logEvent)
    {
        var bytes = Bytes(logEvent);
        if (bytes.Length <= options.EventBodyLimitBytes) return bytes;
        var text = logEvent.MessageTemplate.Text;
        return Bytes(Event(logEvent.Timestamp, logEvent.Level, TooLongTemplate, ("LengthBytes", bytes.Length), ("LimitBytes", options.EventBodyLimitBytes), ("Beginning", text[..Math.Min(text.Length, 100)])));
    }

    private byte[] Bytes(LogEvent logEvent)
    {
        using var line = new StringWriter(CultureInfo.InvariantCulture);
        formatter.Format(logEvent, line);
        return Encoding.UTF8.GetBytes(line.ToString());
    }

    private static LogEvent Event(DateTimeOffset time, LogEventLevel level, MessageTemplate template, params (string Name, object Value)[] properties) =>
        new(time, level, null, template, properties.Select(property => new LogEventProperty(property.Name, new ScalarValue(property.Value))));
}
