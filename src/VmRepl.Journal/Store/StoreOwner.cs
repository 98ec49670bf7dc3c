using System.Text.Json;

namespace VmRepl.Journal.Store;

/// <summary>
/// Holds a store for one process. The lock is the operating system's, on the file <c>owner.lock</c>, so it ends with the process however that ends;
/// <c>owner.json</c> says how the owner is reached by others on this host.
/// </summary>
public sealed class StoreOwner : IDisposable
{
    private const string LockName = "owner.lock";
    private const string AddressName = "owner.json";

    private readonly FileStream held;

    private StoreOwner(FileStream held) => this.held = held;

    /// <summary>Takes the store.</summary>
    /// <param name="directory">The store's directory; made if it is not there.</param>
    /// <param name="socketPath">Unix socket by which this owner serves others on this host; null for none.</param>
    /// <exception cref="StoreException">Another process has it.</exception>
    public static StoreOwner Take(string directory, string? socketPath)
    {
        Directory.CreateDirectory(directory);
        FileStream held;
        try
        {
            held = new FileStream(Path.Combine(directory, LockName), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (e is not (DirectoryNotFoundException or PathTooLongException))
        {
            throw new StoreException($"the store {directory} is in use by another replica", "Stop that one first; a store has one owner.");
        }

        File.WriteAllBytes(Path.Combine(directory, AddressName), JsonSerializer.SerializeToUtf8Bytes(new Address(Environment.ProcessId, socketPath), JsonSerializerOptions.Web));
        return new StoreOwner(held);
    }

    /// <summary>Whether a process has the store; then <paramref name="socketPath"/> is where it is reached, or null where it said nothing.</summary>
    public static bool IsOwned(string directory, out string? socketPath)
    {
        socketPath = null;
        var path = Path.Combine(directory, LockName);
        if (!File.Exists(path)) return false;
        try
        {
            // Reading rights suffice to ask for the lock: a bare store may lie on a read-only volume.
            using var probe = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.None);
            return false;
        }
        catch (IOException)
        {
            try
            {
                socketPath = JsonSerializer.Deserialize<Address>(File.ReadAllBytes(Path.Combine(directory, AddressName)), JsonSerializerOptions.Web)?.Socket;
            }
            catch (Exception e) when (e is IOException or JsonException)
            {
                // The owner may be starting; the caller says that the store is in use.
            }

            return true;
        }
    }

    public void Dispose() => held.Dispose();

    private sealed record Address(int ProcessId, string? Socket);
}
