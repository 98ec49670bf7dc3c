using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace VmRepl.Hypervisors.Qmp;

/// <summary>
/// QEMU's monitor over a Unix socket (QEMU, "QMP protocol specification"). Commands may be in flight together; each is answered by its id. A connection that failed stays failed:
/// every command in flight and every later one ends with the same reason.
/// </summary>
public sealed class QmpConnection : IAsyncDisposable
{
    private const int LineBytesMax = 4 << 20, DepthMax = 64;

    private readonly Socket socket;
    private readonly LineReader lines;
    private readonly Action<QmpEvent> onEvent;
    private readonly TimeProvider time;
    private readonly SemaphoreSlim writing = new(1);
    private readonly ConcurrentDictionary<long, TaskCompletionSource<JsonNode?>> waiting = new();
    private readonly CancellationTokenSource closed = new();
    private QmpException? failure;
    private Task reading = Task.CompletedTask;
    private long lastId;
    private int isDisposed;

    private QmpConnection(Socket socket, Action<QmpEvent> onEvent, TimeProvider time)
    {
        this.socket = socket;
        this.onEvent = onEvent;
        this.time = time;
        lines = new LineReader(socket, LineBytesMax);
    }

    /// <summary>QEMU's version from the greeting, such as 7.2.22.</summary>
    public string Version { get; private set; } = "";

    /// <summary>Ends, without an error, when the connection is of no more use.</summary>
    public Task Ended => reading;

    /// <summary>Takes a connected socket, reads the greeting and leaves capabilities negotiation.</summary>
    /// <param name="onEvent">Called for each event, one after another, on the reading side: it must not wait.</param>
    /// <param name="deadline">For greeting and negotiation together.</param>
    /// <exception cref="QmpException">The peer does not speak QMP, or not in time.</exception>
    public static async Task<QmpConnection> OpenAsync(Socket socket, Action<QmpEvent> onEvent, TimeSpan deadline, TimeProvider time, CancellationToken cancellation)
    {
        var connection = new QmpConnection(socket, onEvent, time);
        try
        {
            using var limit = new CancellationTokenSource(deadline, time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellation);
            await connection.GreetAsync(both.Token);
            connection.reading = connection.ReadAsync();
            await connection.ExecuteAsync("qmp_capabilities", null, deadline, cancellation);
            return connection;
        }
        catch (Exception e)
        {
            await connection.DisposeAsync();
            if (e is QmpException || cancellation.IsCancellationRequested) throw;
            throw new QmpException(null, e is OperationCanceledException ? "QEMU gave no greeting in time" : e.Message, e);
        }
    }

    /// <summary>Runs a command and returns what it returned.</summary>
    /// <param name="arguments">Or null; belongs to the call.</param>
    /// <exception cref="QmpException">Refused (with a kind), or no answer in time, or the connection is gone.</exception>
    public async Task<JsonNode?> ExecuteAsync(string command, JsonObject? arguments, TimeSpan deadline, CancellationToken cancellation)
    {
        var id = Interlocked.Increment(ref lastId);
        var answer = new TaskCompletionSource<JsonNode?>(TaskCreationOptions.RunContinuationsAsynchronously);
        waiting[id] = answer;
        try
        {
            if (Volatile.Read(ref failure) is { } gone) throw gone;
            var request = new JsonObject { ["execute"] = command, ["id"] = id };
            if (arguments is not null) request["arguments"] = arguments;
            await SendAsync(Encoding.UTF8.GetBytes(request.ToJsonString() + "\n"), cancellation);
            return await answer.Task.WaitAsync(deadline, time, cancellation);
        }
        catch (TimeoutException e)
        {
            throw new QmpException(null, $"QEMU did not answer {command} within {deadline.TotalSeconds} s", e);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            throw new QmpException(null, $"the connection to QEMU's monitor is gone: {e.Message}", e);
        }
        finally
        {
            waiting.TryRemove(id, out _);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref isDisposed, 1) != 0) return;
        await closed.CancelAsync();
        socket.Dispose();
        await reading;
        writing.Dispose();
        closed.Dispose();
    }

    private async Task SendAsync(byte[] line, CancellationToken cancellation)
    {
        await writing.WaitAsync(cancellation);
        try
        {
            // A line that was begun is ended: half of one would spoil the next.
            for (var sent = 0; sent < line.Length;) sent += await socket.SendAsync(line.AsMemory(sent), closed.Token);
        }
        finally
        {
            writing.Release();
        }
    }

    private async Task GreetAsync(CancellationToken cancellation)
    {
        var greeting = await NextAsync(cancellation) ?? throw new QmpException(null, "QEMU closed its monitor before it greeted");
        if (greeting["QMP"] is not JsonObject qmp) throw new QmpException(null, "the peer does not greet as QMP does");
        if (qmp["version"] is JsonObject version && version["qemu"] is JsonObject numbers) Version = $"{numbers["major"]}.{numbers["minor"]}.{numbers["micro"]}";
    }

    private async Task ReadAsync()
    {
        var reason = "QEMU closed its monitor";
        Exception? cause = null;
        try
        {
            while (await NextAsync(closed.Token) is { } message) Take(message);
        }
        catch (Exception e)
        {
            (reason, cause) = (e is OperationCanceledException ? "the connection was closed" : $"the connection to QEMU's monitor is gone: {e.Message}", e);
        }

        Volatile.Write(ref failure, new QmpException(null, reason, cause));
        foreach (var answer in waiting.Values) answer.TrySetException(new QmpException(null, reason, cause));
    }

    private void Take(JsonObject message)
    {
        if (message["event"] is JsonValue name && name.TryGetValue<string>(out var text)) onEvent(new QmpEvent(text, message["data"] as JsonObject ?? []));
        if (message["id"] is not JsonValue idValue || !idValue.TryGetValue<long>(out var id) || !waiting.TryRemove(id, out var answer)) return;
        if (message["error"] is JsonObject error) answer.TrySetException(new QmpException($"{error["class"]}", $"{error["desc"]}"));
        else answer.TrySetResult(message["return"]);
    }

    private async Task<JsonObject?> NextAsync(CancellationToken cancellation)
    {
        if (await lines.ReadAsync(cancellation) is not { } line) return null;
        try
        {
            // Names that come twice are found only when the object is first looked into.
            var parsed = JsonNode.Parse(line.Span, null, new JsonDocumentOptions { MaxDepth = DepthMax }) as JsonObject ?? throw new QmpException(null, "a line holds no object");
            _ = parsed.Count;
            return parsed;
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            throw new QmpException(null, $"a line is no JSON: {e.Message}", e);
        }
    }
}
