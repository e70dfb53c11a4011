package io.keyfold.sample

import android.app.Activity
import android.os.Bundle
import android.widget.TextView
import io.keyfold.KeyfoldException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.launch

/** Does the six tasks, and shows what came of them. */
class MainActivity : Activity() {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Main)

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        val view = TextView(this)
        setContentView(view)
        scope.launch {
            try {
                SixTasks.open(this@MainActivity).use { view.text = all(it) }
            } catch (failed: KeyfoldException) {
                view.text = failed.toString()
            }
        }
    }

    override fun onDestroy() {
        scope.cancel()
        super.onDestroy()
    }

    private suspend fun all(tasks: SixTasks): String = listOf(
        "value" to tasks.value("hello"),
        "file" to tasks.file(generateSequence(0) { it + 1 }.take(LINES).map { "line $it" }).length(),
        "part" to tasks.part(0uL until 6uL),
        "rewrap" to tasks.rewrap("moved"),
        "signature" to tasks.signature("signed"),
        "secret" to tasks.secret("kept").length,
    ).joinToString("\n") { (name, value) -> "$name: $value" }

    private companion object {
        const val LINES = 10_000
    }
}
