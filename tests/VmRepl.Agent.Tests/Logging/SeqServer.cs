using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace VmRepl.Agent.Tests.Logging;

/// <summary>Answers on loopback as Seq's ingestion does, and keeps what came. Can be told to refuse.</summary>
internal sealed class SeqServer : IDisposable
{
    private readonly HttpListener listener = new();
    private readonly Task serving;

    public SeqServer(int port)
    {
        Url = $"http://127.0.0.1:{port}";
        listener.Prefixes.Add(Url + "/");
        listener.Start();
        serving = Task.Run(ServeAsync);
    }

    public string Url { get; }

    /// <summary>The status for a request with this body; 201 unless told.</summary>
    public Func<string, int> Answer { get; set; } = static _ => 201;

    /// <summary>What came, refused or not.</summary>
    public ConcurrentQueue<SeqRequest> Requests { get; } = new();

    /// <summary>The events of all requests that were answered with 201, in order.</summary>
    public JsonElement[] Events =>
        [.. Requests.Where(request => request.Status == 201).SelectMany(request => request.Body.Split('\n', StringSplitOptions.RemoveEmptyEntries)).Select(line => JsonDocument.Parse(line).RootElement)];

    public static int FreePort()
    {
        using var socket = new TcpListener(IPAddress.Loopback, 0);
        socket.Start();
        return ((IPEndPoint)socket.LocalEndpoint).Port;
    }

    /// <summary>Waits until <paramref name="count"/> events were taken; fails after ten seconds.</summary>
    public async Task WaitForEventsAsync(int count)
    {
        for (var tries = 0; Events.Length < count; tries++)
        {
            Assert.That(tries, Is.LessThan(500), $"only {Events.Length} of {count} events came");
            await Task.Delay(20);
        }
    }

    public void Dispose()
    {
        listener.Close();
        serving.Wait();
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            HttpListenerContext context;
            try
            {
                context = await listener.GetContextAsync();
            }
            catch (Exception) when (!listener.IsListening)
            {
                return;
            }

            using var reader = new StreamReader(context.Request.InputStream, Encoding.UTF8);
            var body = await reader.ReadToEndAsync();
            var status = Answer(body);
            Requests.Enqueue(new SeqRequest(context.Request.HttpMethod, context.Request.Url!.PathAndQuery, context.Request.Headers["X-Seq-ApiKey"], context.Request.ContentType, body, status));
            context.Response.StatusCode = status;
            context.Response.Close();
        }
    }
}
