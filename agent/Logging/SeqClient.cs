using System.Net;
using System.Net.Http.Headers;

namespace VmRepl.Agent.Logging;

/// <summary>Posts batches to one Seq server. Whatever goes wrong is an answer, not an exception; only <c>cancellation</c> throws.</summary>
internal sealed class SeqClient : IDisposable
{
    private static readonly MediaTypeHeaderValue Clef = new("application/vnd.serilog.clef") { CharSet = "utf-8" };

    private readonly HttpClient http;
    private readonly SeqSinkOptions options;

    public SeqClient(SeqSinkOptions options, HttpMessageHandler? handler)
    {
        this.options = options;
        http = handler is null ? new HttpClient() : new HttpClient(handler, disposeHandler: false);
        http.Timeout = options.RequestTimeout;
    }

    /// <param name="batch">Events, each one line of CLEF with its line end.</param>
    /// <param name="cancellation">Gives up waiting for the answer.</param>
    public async Task<SeqAnswer> PostAsync(IReadOnlyList<byte[]> batch, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, options.IngestUri);
        request.Content = new ByteArrayContent(Joined(batch)) { Headers = { ContentType = Clef } };
        if (!string.IsNullOrEmpty(options.ApiKey)) request.Headers.Add("X-Seq-ApiKey", options.ApiKey);
        try
        {
            // The body of the answer is of no interest, and could be of any length.
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation).ConfigureAwait(false);
            return Judged(response.StatusCode);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return new SeqAnswer(SeqOutcome.Away, $"no answer within {options.RequestTimeout.TotalSeconds:0.#} s");
        }
        catch (Exception cause) when (cause is not OperationCanceledException)
        {
            // Of any kind: an exception here would end the only task that sends.
            return new SeqAnswer(SeqOutcome.Away, cause.Message);
        }
    }

    public void Dispose() => http.Dispose();

    private static SeqAnswer Judged(HttpStatusCode status) => status switch
    {
        >= HttpStatusCode.OK and < HttpStatusCode.MultipleChoices => new SeqAnswer(SeqOutcome.Taken, ""),
        HttpStatusCode.BadRequest or HttpStatusCode.RequestEntityTooLarge => new SeqAnswer(SeqOutcome.Refused, $"status {(int)status}"),
        _ => new SeqAnswer(SeqOutcome.Away, $"status {(int)status}"),
    };

    private static byte[] Joined(IReadOnlyList<byte[]> batch)
    {
        var body = new byte[batch.Sum(single => single.Length)];
        var at = 0;
        foreach (var single in batch)
        {
            single.CopyTo(body, at);
            at += single.Length;
        }

        return body;
    }
}
