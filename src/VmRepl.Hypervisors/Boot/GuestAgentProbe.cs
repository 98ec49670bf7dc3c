using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using VmRepl.Hypervisors.Qmp;

namespace VmRepl.Hypervisors.Boot;

/// <summary>Asks QEMU's guest agent whether it is there: guest-sync with a number that nobody guessed, then guest-ping (QEMU, "Guest Agent Protocol Reference").</summary>
internal static class GuestAgentProbe
{
    private const int LineBytesMax = 64 << 10;
    private static readonly TimeSpan Between = TimeSpan.FromSeconds(1);

    /// <summary>Returns once the agent answered both. Until it runs nobody answers, so the question is asked anew each second; answers to older questions are passed over.</summary>
    public static async Task WaitAsync(Socket socket, CancellationToken cancellation)
    {
        var lines = new LineReader(socket, LineBytesMax);
        var number = Random.Shared.Next(1, int.MaxValue);
        using var asking = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var questions = AskAsync(socket, number, asking.Token);
        try
        {
            await ExpectAsync(lines, value => value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var got) && got == number, cancellation);
            await asking.CancelAsync();
            await questions;
            await SendAsync(socket, """{"execute":"guest-ping"}""", cancellation);
            await ExpectAsync(lines, value => value.ValueKind == JsonValueKind.Object, cancellation);
        }
        finally
        {
            await asking.CancelAsync();
            await questions;
        }
    }

    private static async Task AskAsync(Socket socket, int number, CancellationToken cancellation)
    {
        try
        {
            while (true)
            {
                await SendAsync(socket, "{\"execute\":\"guest-sync\",\"arguments\":{\"id\":" + number.ToString(CultureInfo.InvariantCulture) + "}}", cancellation);
                await Task.Delay(Between, cancellation);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Answered, given up or gone: the reading side knows which.
        }
    }

    private static async Task ExpectAsync(LineReader lines, Func<JsonElement, bool> isWanted, CancellationToken cancellation)
    {
        while (await lines.ReadAsync(cancellation) is { } line)
        {
            try
            {
                using var answer = JsonDocument.Parse(line, new JsonDocumentOptions { MaxDepth = 8 });
                if (answer.RootElement.ValueKind == JsonValueKind.Object && answer.RootElement.TryGetProperty("return", out var value) && isWanted(value)) return;
            }
            catch (JsonException)
            {
                // The agent's first line can hold what was left in the channel.
            }
        }

        throw new QmpException(null, "the guest agent's channel was closed");
    }

    private static async Task SendAsync(Socket socket, string line, CancellationToken cancellation)
    {
        var bytes = Encoding.UTF8.GetBytes(line + "\n");
        for (var sent = 0; sent < bytes.Length;) sent += await socket.SendAsync(bytes.AsMemory(sent), cancellation);
    }
}
